"""Reports the groups of near duplicates and how splits separate them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from .collect import Sample
from .report import Report
from .splits import SPLITS


def report_groups(
    samples: Sequence[Sample],
    group_of: Mapping[str, int],
    lists: Mapping[str, Sequence[str]],
    report: Report,
) -> None:
    """Reports the groups, and unlabeled images that are like held-out ones.

    Args:
        samples (Sequence[Sample]): Images of the data set.
        group_of (Mapping[str, int]): Group of each image by name.
        lists (Mapping[str, Sequence[str]]): Names by list: the splits and
            ``unlabeled``.
        report (Report): Takes the groups and the findings.
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
                splits=sorted(
                    {split_of.get(name, 'unlisted') for name in names}
                ),
                images=names,
            )
            for names in shared[:5]
        ],
    )
    if report.options['group_near_duplicates']:
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

    Args:
        group_of (Mapping[str, int]): Group of each image by name.
        strata (Mapping[str, str]): Main class of each labeled image by
            name, '' for none.
        report (Report): Takes the findings.
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
    # The worst first: test images, and those that were trained on.
    found: dict[tuple[str, bool], list[tuple[str, str]]] = {
        (own, trained_on): []
        for own in ('test', 'val')
        for trained_on in (True, False)
    }
    for names in shared:
        by_split: dict[str, list[str]] = defaultdict(list)
        for name in names:
            by_split[split_of.get(name, '')].append(name)
        inside = {
            split: by_split[split] for split in SPLITS if split in by_split
        }
        parted += len(inside) > 1
        for first, second in combinations(inside, 2):
            for split in across[f'{first}_{second}']:
                across[f'{first}_{second}'][split] += len(inside[split])
        for own in inside.keys() & {'val', 'test'}:
            others = ' and '.join(
                _such_as(split, inside[split])
                for split in inside
                if split != own
            )
            if others:
                found[own, 'train' in inside].extend(
                    (name, f'{own}, with {others}') for name in inside[own]
                )
    for entries in found.values():
        for name, detail in entries:
            report.add('near_duplicate_across_splits', name, detail)
    report.groups.update(parted=parted, across=across)


def _such_as(split: str, names: Sequence[str]) -> str:
    more = ', …' if len(names) > 1 else ''
    return f'{len(names)} of {split} ({names[0]}{more})'
