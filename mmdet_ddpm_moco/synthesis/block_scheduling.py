"""Which blocks of a bank are to be synthesized next.

Blocks are synthesized in rounds, between which the ranks exchange how many
windows were accepted. All of them compute the same round from these counts.
"""

from collections.abc import Mapping

# Blocks per worker in a round. With more, less time is spent waiting for the
# slowest worker; with fewer, less is synthesized beyond the last window.
BLOCKS_PER_WORKER = 4


def next_round(
    accepted: Mapping[int, int],
    num: int,
    block_size: int,
    workers: int,
    max_blocks: int,
) -> list[int]:
    """Blocks that are still needed, lowest first.

    Those needed even if every window is accepted come first. Workers without
    such a block get as many more as the acceptance rate so far suggests: a
    block too many costs nothing then, one too few another round.
    ``accepted`` are the windows accepted of each finished block, ``num`` the
    windows to keep, ``workers`` the blocks synthesized at once.

    Returns:
        list[int]: Empty if the finished blocks hold ``num`` windows without
        a missing block before, or if there are no more to try.
    """
    sure = _missing(accepted, num, block_size, max_blocks)
    if len(sure) >= workers:
        return sure[: workers * BLOCKS_PER_WORKER]
    tried = block_size * len(accepted)
    rate = sum(accepted.values()) / tried if tried else 1.0
    likely = _missing(accepted, num, rate * block_size, max_blocks)
    return likely[:workers] if sure else []


def _missing(
    accepted: Mapping[int, int], num: int, expected: float, max_blocks: int
) -> list[int]:
    """Blocks missing if each gives ``expected`` windows."""
    missing, total, block = [], 0.0, 0
    while total < num and block < max_blocks:
        if block in accepted:
            total += accepted[block]
        else:
            missing.append(block)
            total += expected
        block += 1
    return missing
