"""Folds of the labeled images: each has a teacher that did not see it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..conversion.splits import draw
from ..utils.errors import InputError


def kept_whole(
    labeled: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Groups of near duplicates that no fold may cut.

    A teacher is to know its fold as little as the images that it will label,
    else what is learned from the fold does not hold there. Labels drawn at
    random from what is photographed have near duplicates among the other
    images as among each other: then folds are drawn at random, too. Where the
    others show other parts, each group stays in one fold.

    Args:
        labeled (Sequence[Mapping]): COCO ``images``, with their ``group`` if
            it is known.
        others (Sequence[Mapping]): COCO ``images`` that will be labeled, as
            far as their groups are of the same data set.

    Returns:
        dict[str, int]: Group by file name; empty where folds may cut groups.
    """
    groups = {i['file_name']: i['group'] for i in labeled if 'group' in i}
    sizes = Counter(groups.values())
    among_labeled = sum(sizes[g] > 1 for g in groups.values())
    among_others = sum(image.get('group') in sizes for image in others)
    # Shares of both, compared without dividing by a length of 0.
    if 2 * among_others * len(labeled) >= among_labeled * max(len(others), 1):
        return {}
    return groups


def draw_folds(
    kinds: Mapping[str, str],
    groups: Mapping[str, int],
    number: int,
    seed: int = 0,
) -> list[list[str]]:
    """Shares images out to folds, so that every fold has every kind.

    Groups stay together, see :func:`kept_whole`. Large ones go first, each to
    the fold that has fewest images of its kinds.

    Args:
        kinds (Mapping[str, str]): Kind of each image by name, such as its
            main class.
        groups (Mapping[str, int]): Group of each image; an image that is
            missing here is a group of its own.
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
