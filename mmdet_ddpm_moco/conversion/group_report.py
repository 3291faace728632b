"""Reports the groups of near duplicates and how splits separate them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from .collect import Sample
from .report import Report, is_grouped
from .splits import SPLITS


def report_groups(
    samples: Sequence[Sample],
    group_of: Mapping[str, int],
    lists: Mapping[str, Sequence[str]],
    report: Report,
) -> None:
    """Reports the groups, and unlabeled images that are like held-out ones.

    ``group_of`` is the group of each image by name, ``lists`` the names of
    each split and of ``unlabeled``.
    """
    split_of = {
        name: split
        for split in (*SPLITS, 'unlabeled')
        for name in lists[split]
    }
    shared = _shared(group_of)
    report.groups = dict(
        groups=len(shared),
        images=sum(map(len, shared)),
        largest=[
            dict(
                size=len(names),
                splits=sorted({split_of.get(n, 'unlisted') for n in names}),
                images=names,
            )
            for names in shared[:5]
        ],
    )
    if is_grouped(report):
        _report_across(shared, split_of, report)
    held_out = {
        group_of[name] for split in ('val', 'test') for name in lists[split]
    }
    for sample in samples:
        if sample.boxes is None and group_of[sample.name] in held_out:
            report.add('unlabeled_like_held_out', sample.label)


def report_large_groups(
    group_of: Mapping[str, int], strata: Mapping[str, str], report: Report
) -> None:
    """Reports groups that no random split can distribute.

    ``strata`` is the main class of each labeled image by name, '' for none.
    """
    sizes = Counter(strata.values())
    for names in _shared(group_of):
        inside = Counter(strata[name] for name in names if name in strata)
        for kind, count in sorted(inside.items()):
            if count > sizes[kind] / 2:
                report.add(
                    'large_group',
                    names[0],
                    f'{count} of {sizes[kind]} images of {kind or "no class"}',
                )


def _shared(group_of: Mapping[str, int]) -> list[list[str]]:
    """Names of each group of two and more, large groups first."""
    members: dict[int, list[str]] = defaultdict(list)
    for name, group in group_of.items():
        members[group].append(name)
    shared = [names for names in members.values() if len(names) > 1]
    return sorted(shared, key=lambda names: -len(names))


def _report_across(
    shared: Sequence[Sequence[str]],
    split_of: Mapping[str, str],
    report: Report,
) -> None:
    """Counts and names images of val and test with others elsewhere."""
    across = {
        f'{first}_{second}': {
            split: 0 for split in (first, second) if split != 'train'
        }
        for first, second in combinations(SPLITS, 2)
    }
    parted = 0
    found: list[tuple[bool, bool, str, str]] = []
    for names in shared:
        inside = {
            split: [name for name in names if split_of.get(name) == split]
            for split in SPLITS
        }
        inside = {split: part for split, part in inside.items() if part}
        parted += len(inside) > 1
        for first, second in combinations(inside, 2):
            for split in across[f'{first}_{second}']:
                across[f'{first}_{second}'][split] += len(inside[split])
        for own in inside.keys() - {'train'}:
            others = ' and '.join(
                f'{len(part)} of {split} '
                f'({part[0]}{", …" if len(part) > 1 else ""})'
                for split, part in inside.items()
                if split != own
            )
            if others:
                kind = own == 'val', 'train' not in inside
                found += [
                    (*kind, name, f'{own}, with {others}')
                    for name in inside[own]
                ]
    # The worst first: test images, and those that were trained on.
    for _, _, name, detail in sorted(found, key=lambda item: item[:2]):
        report.add('near_duplicate_across_splits', name, detail)
    report.groups.update(parted=parted, across=across)
