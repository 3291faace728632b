"""Draws train, val and test, and few-shot subsets of train, at random.

Random numbers are hashes of seed and name and not a generator's: they are the
same on every platform and in every version of every library.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..utils.errors import InputError

SPLITS = ('train', 'val', 'test')


def draw(seed: int, *names: str) -> float:
    """A pseudorandom number in [0, 1) that depends on the arguments alone."""
    text = '\0'.join((str(seed), *names))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:6], 'big') / 2**48


def check_ratio(ratio: Sequence[float]) -> tuple[float, float, float]:
    """Returns the shares of train, val and test.

    Raises:
        ValueError: If they are not three numbers of at least 0 with sum 1.
    """
    shares = [float(share) for share in ratio]
    legal = len(shares) == 3 and all(share >= 0 for share in shares)
    if not legal or abs(sum(shares) - 1) > 1e-6:
        raise InputError(
            f'ratio {" ".join(f"{share:g}" for share in shares)} must be '
            'three numbers of at least 0 (train, val, test) with sum 1, '
            'for example 0.7 0.1 0.2'
        )
    train, val, test = shares
    return train, val, test


def check_share(share: float) -> float:
    """Returns the share of groups that few-shot subsets may come from.

    Raises:
        ValueError: If it is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise InputError(
            f'few-shot-groups {share:g} must be above 0 and at most 1, the '
            'share of all groups'
        )
    return share


def check_few_shot(shots: Sequence[int]) -> list[int]:
    """Returns numbers of images per class in ascending order, each once.

    Raises:
        ValueError: If one is below 1.
    """
    if any(shot < 1 for shot in shots):
        raise InputError(
            f'few-shot {min(shots)} must be at least 1 image per class'
        )
    return sorted(set(shots))


def quotas(count: int, ratio: Sequence[float]) -> np.ndarray:
    """``count`` images by shares with sum 1, by largest remainder.

    Returns:
        np.ndarray: int64 (len(ratio),) with sum ``count``.
    """
    exact = np.asarray(ratio) * count
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(counts - exact, kind='stable')
    counts[order[: count - counts.sum()]] += 1
    return counts


def split_groups(
    strata: Mapping[str, str],
    groups: Mapping[str, int],
    ratio: Sequence[float],
    seed: int,
) -> dict[str, list[str]]:
    """Splits images so that strata keep their shares and groups stay whole.

    The largest groups go first, while there is room for them. Each goes to
    one of the splits it fits into, drawn in proportion to the places left
    there, as images drawn one by one would: no split collects the large
    groups. A split in which a group would take more than a quarter of the
    places of a stratum is used only if there is no other, or a class would be
    tested on a single strip. A group that fits nowhere goes where most places
    are left.

    Args:
        strata (Mapping[str, str]): Stratum of each image by name.
        groups (Mapping[str, int]): Group of each image by name.
        ratio (Sequence[float]): Shares of train, val and test.
        seed (int): Of :func:`draw`.

    Returns:
        dict[str, list[str]]: Names of each split in the order of ``strata``.
    """
    kinds = sorted(set(strata.values()))
    column = {kind: index for index, kind in enumerate(kinds)}
    sizes = Counter(strata.values())
    quota = np.array([quotas(sizes[kind], ratio) for kind in kinds])
    quota = quota.reshape(len(kinds), len(SPLITS)).T  # (split, stratum)
    left = quota.copy()
    members: dict[int, list[str]] = defaultdict(list)
    for name in strata:
        members[groups[name]].append(name)
    order = sorted(
        members.values(),
        key=lambda names: (-len(names), draw(seed, 'order', min(names))),
    )
    split_of: dict[str, str] = {}
    for names in order:
        need = np.zeros(len(kinds), dtype=np.int64)
        for name in names:
            need[column[strata[name]]] += 1
        room = left[:, need > 0].sum(axis=1)
        fits = (left >= need).all(axis=1)
        modest = fits & (np.maximum(quota // 4, 1) >= need).all(axis=1)
        for allowed in (modest, fits):
            if allowed.any():
                odds = np.cumsum(np.where(allowed, room, 0))
                point = draw(seed, 'split', min(names)) * odds[-1]
                chosen = int(np.searchsorted(odds, point, side='right'))
                break
        else:
            usable = np.asarray(ratio) > 0
            chosen = int(np.where(usable, room, room.min() - 1).argmax())
        left[chosen] -= need
        split_of.update(dict.fromkeys(names, SPLITS[chosen]))
    return {
        split: [name for name in strata if split_of[name] == split]
        for split in SPLITS
    }


def from_few_groups(
    train: Mapping[str, str],
    groups: Mapping[str, int],
    totals: Mapping[str, int],
    share: float,
    need: int,
    seed: int,
) -> dict[str, str]:
    """Keeps the training images of a few groups of each class, drawn.

    Ten labels of one part, photographed ten times, are not ten labels. Small
    groups give way to larger ones where they would leave too few images.

    Args:
        train (Mapping[str, str]): Main class of each training image by name.
        groups (Mapping[str, int]): Group of each image by name.
        totals (Mapping[str, int]): Groups of each class, of all splits.
        share (float): At most this share of them is kept, but at least one
            group.
        need (int): Images that each class must have.
        seed (int): Of :func:`draw`.

    Raises:
        ValueError: If so few groups of a class hold fewer images.
    """
    members: dict[str, dict[int, list[str]]]
    members = {kind: defaultdict(list) for kind in totals}
    for name, kind in train.items():
        if kind in members:
            members[kind][groups[name]].append(name)
    kept: set[str] = set()
    for kind, found in members.items():
        count = max(1, int(share * totals[kind] + 1e-9))
        order = sorted(
            found.values(),
            key=lambda names: draw(seed, 'few-shot group', min(names)),
        )
        chosen, others = order[:count], order[count:]
        while sum(map(len, chosen)) < need and others:
            smallest, largest = min(chosen, key=len), max(others, key=len)
            if len(largest) <= len(smallest):
                break
            chosen[chosen.index(smallest)] = largest
            others.remove(largest)
        images = sum(map(len, chosen))
        if images < need:
            raise InputError(
                f'few-shot {need} is more than the {images} training images '
                f'of class {kind} in {count} of its {totals[kind]} groups; '
                f'choose at most {images}, or a larger few-shot-groups than '
                f'{share:g}'
            )
        kept.update(*chosen)
    return {name: kind for name, kind in train.items() if name in kept}


def few_shot_subsets(
    train: Mapping[str, str],
    classes: Sequence[str],
    shots: Sequence[int],
    seed: int,
) -> dict[int, list[str]]:
    """Draws nested subsets with N training images of each class.

    ``train`` is the main class of each training image by name; images of
    none of the classes are never drawn. ``shots`` are the numbers N.

    Returns:
        dict[int, list[str]]: Names for each N, in the order of ``train``.

    Raises:
        ValueError: If a class has fewer than N training images.
    """
    rank: dict[str, int] = {}
    for kind in classes:
        names = [name for name, value in train.items() if value == kind]
        if shots and max(shots) > len(names):
            fix = f'choose at most {len(names)}' if names else 'leave it out'
            raise InputError(
                f'few-shot {max(shots)} is more than the {len(names)} '
                f'training images of class {kind}; {fix}'
            )
        names.sort(key=lambda name: draw(seed, 'few-shot', name))
        rank.update({name: place for place, name in enumerate(names)})
    return {
        shot: [name for name in train if rank.get(name, shot) < shot]
        for shot in sorted(set(shots))
    }
