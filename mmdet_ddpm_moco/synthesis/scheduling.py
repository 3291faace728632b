"""Which blocks of a bank are to be painted next.

Blocks are painted in rounds, between which the ranks tell each other what was
accepted. All of them compute the same round from the same counts.
"""

from collections.abc import Mapping

# Blocks per worker in a round. More would wait less for the slowest worker;
# fewer make the ranks stop closer to the last window.
BLOCKS_PER_WORKER = 4


def next_round(
    accepted: Mapping[int, int],
    num: int,
    block_size: int,
    workers: int,
    most_blocks: int,
) -> list[int]:
    """Blocks that are still needed, lowest first.

    Those needed whatever the gates accept come first. If that leaves workers
    without one, they try as many more as the share accepted up to now lets
    expect: a block too many costs nothing then, one too few another round.

    Args:
        accepted (Mapping[int, int]): Windows accepted, by the blocks that
            are there.
        num (int): Windows to keep, at least 1.
        block_size (int): Windows per block.
        workers (int): Blocks painted at once, at least 1.
        most_blocks (int): Blocks are tried up to this one.

    Returns:
        list[int]: Empty if the blocks that are there hold ``num`` windows
        without a gap before them, or if there are no more to try.
    """
    sure = _missing(accepted, num, block_size, most_blocks)
    if len(sure) >= workers:
        return sure[: workers * BLOCKS_PER_WORKER]
    tried = block_size * len(accepted)
    share = sum(accepted.values()) / tried if tried else 1.0
    likely = _missing(accepted, num, share * block_size, most_blocks)
    return likely[:workers] if sure else []


def _missing(
    accepted: Mapping[int, int],
    num: int,
    expected: float,
    most_blocks: int,
) -> list[int]:
    """Blocks missing if each gives ``expected`` windows."""
    missing, total, block = [], 0.0, 0
    while total < num and block < most_blocks:
        if block in accepted:
            total += accepted[block]
        else:
            missing.append(block)
            total += expected
        block += 1
    return missing
