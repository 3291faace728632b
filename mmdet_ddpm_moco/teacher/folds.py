"""Folds of the labeled images: each has a teacher that did not see it."""

from collections import Counter
from collections.abc import Mapping

from ..conversion.splits import draw
from ..utils.errors import InputError


def draw_folds(
    kinds: Mapping[str, str],
    groups: Mapping[str, int],
    number: int,
    seed: int = 0,
) -> list[list[str]]:
    """Shares images out to folds, so that every fold has every kind.

    Near duplicates stay together: a teacher must not be asked about a copy
    of what it was trained on. Large groups go first, each to the fold that
    has fewest images of its kinds.

    Args:
        kinds (Mapping[str, str]): Kind of each image by name, such as its
            main class.
        groups (Mapping[str, int]): Group of near duplicates of each image;
            an image that is missing here is a group of its own.
        number (int): Folds, at least 2.
        seed (int): Breaks ties. Defaults to 0.

    Returns:
        list[list[str]]: Names in each fold, in the order of ``kinds``.

    Raises:
        ValueError: There are fewer than 2 folds, or fewer groups than folds.
    """
    if number < 2:
        msg = f'folds must be at least 2, got {number}'
        raise InputError(msg)
    members: dict[object, list[str]] = {}
    for name in kinds:
        members.setdefault(groups.get(name, name), []).append(name)
    if len(members) < number:
        msg = (
            f'{number} folds need at least as many groups of images, there '
            f'are {len(members)}; label more images or take fewer folds'
        )
        raise InputError(msg)
    order = sorted(
        members.values(),
        key=lambda names: (-len(names), draw(seed, 'fold order', min(names))),
    )
    held: list[Counter[str]] = [Counter() for _ in range(number)]
    fold_of: dict[str, int] = {}
    for names in order:
        need = Counter(kinds[name] for name in names)

        def load(fold: int, need: Counter[str] = need) -> tuple[float, ...]:
            same = sum(held[fold][kind] * need[kind] for kind in need)
            tie = draw(seed, f'fold {fold}', min(need))
            return same, held[fold].total(), tie

        chosen = min(range(number), key=load)
        held[chosen] += need
        fold_of.update(dict.fromkeys(names, chosen))
    return [
        [name for name in kinds if fold_of[name] == fold]
        for fold in range(number)
    ]
