"""Converts a data set to COCO json, from folders to finished files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.errors import InputError
from .boxes import main_class
from .coco_writer import coco_entries, to_coco, write_conversion
from .collect import Sample, collect_samples
from .counts import NO_CLASS, count_list
from .formats import FORMATS
from .given_lists import match_lists, read_lists
from .given_splits import given_splits
from .group_keys import group_keys
from .group_report import report_groups, report_large_groups
from .near_duplicates import group_near_duplicates as find_groups
from .own_files import DESCRIPTION, refuse_foreign_files
from .report import FindingsError, Report
from .splits import (
    SPLITS,
    check_few_shot,
    check_ratio,
    check_share,
    few_shot_subsets,
    from_few_groups,
    split_groups,
)
from .thumbnails import Chosen, ThumbnailFile

DEFAULT_RATIO = (0.7, 0.1, 0.2)


def convert_dataset(
    src: Path,
    dst: Path,
    dataset_format: str = 'voc',
    *,
    ratio: Sequence[float] | None = None,
    lists: Path | None = None,
    resplit: bool = False,
    seed: int = 0,
    few_shot: Sequence[int] = (),
    few_shot_groups: float = 1.0,
    classes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    min_area: float | None = None,
    group_near_duplicates: bool = True,
    group_by: str | None = None,
    strict: bool = False,
    copy: bool = False,
) -> Report:
    """Converts a data set and writes the result.

    ``dst`` receives ``images/``, ``annotations/{train,val,test}.json``,
    ``annotations/train_N.json`` for each N of ``few_shot``, the same as lists
    of names under ``lists/``, ``unlabeled`` in both for images without
    annotation, and ``report.json``. The same input gives the same bytes.

    Args:
        src (Path): Folder of the data set.
        dst (Path): Folder to write to; may be ``src``.
        dataset_format (str): A key of ``formats.FORMATS``. Defaults to
            ``'voc'``.
        ratio (Sequence[float], optional): Shares of train, val and test, with
            sum 1. Defaults to (0.7, 0.1, 0.2) where splits are drawn.
        lists (Path, optional): Folder of ``train.txt``, ``val.txt`` and
            ``test.txt`` that name the images of each split, one a line.
            Labeled images that none of them names are in no split. Defaults
            to None: the split of the data set is kept; without one, or with
            ``ratio``, splits are drawn at random.
        resplit (bool): Draw splits even if the data set has its own. Defaults
            to False.
        seed (int): Seed of the drawn splits and of the few-shot subsets.
            Defaults to 0.
        few_shot (Sequence[int]): Numbers of images per class, of nested
            subsets of train. Defaults to none.
        few_shot_groups (float): Take the images of each class from at most
            this share of its groups, those of val and test included.
            Defaults to 1.0.
        classes (Sequence[str], optional): Classes in the order of their ids.
            Defaults to all, by name.
        rename (Mapping[str, str], optional): New names of classes by their
            names in the data set; '' for what is no class. Defaults to none.
        min_area (float, optional): Pixels that an object with a mask must
            have. Defaults to that of the format.
        group_near_duplicates (bool): Keep images that overlap in one split,
            or report where given splits separate them. Defaults to True.
        group_by (str, optional): Regular expression over the stems of images.
            Those from which its parentheses capture the same are one group,
            those from which they capture what is near in natural order are
            neighbors that may overlap. Defaults to None: neighbors are near
            in the order of names.
        strict (bool): Refuse to convert a data set with findings. Defaults to
            False.
        copy (bool): Copy images instead of linking them. Defaults to False.

    Returns:
        Report: Findings and counts.

    Raises:
        FileExistsError: If ``dst`` holds files of these names that are not of
            an earlier conversion. Nothing is written then, unless such a file
            is an image.
        FileNotFoundError: If ``src`` holds no data set in a known layout, or
            ``lists`` no ``train.txt``.
        ValueError: If an option is out of range, ``lists`` is given together
            with ``ratio`` or ``resplit``, or a list cannot be followed
            exactly.
        FindingsError: If ``strict`` and there are findings. Nothing is
            written then.
    """
    src, dst = Path(src), Path(dst)
    _check_options(dataset_format, lists, ratio, resplit, classes)
    fmt = FORMATS[dataset_format]
    given = None if lists is None else read_lists(Path(lists))
    shares = check_ratio(DEFAULT_RATIO if ratio is None else ratio)
    shots = check_few_shot(few_shot)
    check_share(few_shot_groups)
    if min_area is None:
        min_area = fmt.MIN_AREA

    report, thumbnails = Report(), ThumbnailFile()
    samples, names = collect_samples(
        src, dst, fmt, classes, thumbnails, report, min_area, rename
    )
    subsets = [f'train_{shot}' for shot in shots]
    refuse_foreign_files(dst, (*SPLITS, *subsets, 'unlabeled'))
    origin: dict[str, Any] = dict(ratio=list(shares))
    members = None
    if given is not None:
        members = match_lists(given, samples, report)
        origin = dict(lists_sha256=given.sha256)
    elif ratio is None and not resplit:
        members = given_splits(samples, report)
        if members is not None:
            origin = dict(splits='given')
    grouping: dict[str, Any] = dict(
        group_near_duplicates=group_near_duplicates
    )
    if group_by is not None:
        grouping['group_by'] = group_by
    report.options = dict(
        **origin, seed=seed, few_shot=shots, classes=names, **grouping
    )
    if rename:
        report.options['rename'] = dict(sorted(rename.items()))
    if few_shot_groups < 1:
        report.options['few_shot_groups'] = few_shot_groups
    if min_area:
        report.options['min_area'] = min_area

    groups = _group(
        samples, group_by, thumbnails if group_near_duplicates else None
    )
    thumbnails.close()
    group_of = {sample.name: group for sample, group in zip(samples, groups)}
    strata = {
        sample.name: main_class(sample.boxes) or NO_CLASS
        for sample in samples
        if sample.boxes is not None
    }

    if members is None:
        members = split_groups(strata, group_of, shares, seed)
        report_large_groups(group_of, strata, report)
    train = {name: strata[name] for name in members['train']}
    if shots and few_shot_groups < 1:
        train = from_few_groups(
            train,
            group_of,
            _groups_of_classes(names, strata, group_of),
            few_shot_groups,
            max(shots),
            seed,
        )
    for shot, subset in few_shot_subsets(train, names, shots, seed).items():
        members[f'train_{shot}'] = subset
    members['unlabeled'] = [
        sample.name for sample in samples if sample.boxes is None
    ]

    by_name = {sample.name: sample for sample in samples}
    for key, chosen in members.items():
        report.counts[key] = count_list(
            [by_name[name] for name in chosen], names, group_of
        )
    report_groups(samples, group_of, members, report)
    if strict and report.findings:
        raise FindingsError(report)
    info = dict(
        description=f'{fmt.NAME} {DESCRIPTION}',
        version='1.0',
        seed=seed,
        **origin,
        **grouping,
    )
    entries = coco_entries(samples, groups, names)
    write_conversion(
        dst,
        images=_to_place(samples, members, dst),
        contents={
            key: to_coco([entries[name] for name in chosen], names, info)
            for key, chosen in members.items()
        },
        report=report.to_dict(),
        copy=copy,
    )
    return report


def _check_options(
    dataset_format: str,
    lists: Path | None,
    ratio: Sequence[float] | None,
    resplit: bool,
    classes: Sequence[str] | None,
) -> None:
    if dataset_format not in FORMATS:
        raise InputError(
            f'unknown format {dataset_format!r}; use one of '
            f'{", ".join(FORMATS)}'
        )
    if lists is not None and (ratio is not None or resplit):
        other = 'resplit' if ratio is None else 'ratio'
        raise InputError(
            f'{other} and lists exclude each other; leave out one of them: '
            'lists say which image is in which split'
        )
    if classes is not None and len(set(classes)) < len(classes):
        raise InputError(
            f'classes {" ".join(classes)} must all be different; name each '
            'one once'
        )


def _groups_of_classes(
    names: Sequence[str],
    strata: Mapping[str, str],
    group_of: Mapping[str, int],
) -> dict[str, int]:
    """How many groups have images of each class."""
    found = Counter(
        kind for kind, _ in {(strata[n], group_of[n]) for n in strata}
    )
    return {name: found[name] for name in names}


def _group(
    samples: Sequence[Sample],
    group_by: str | None,
    thumbnails: ThumbnailFile | None,
) -> list[int]:
    """The group of each sample; without thumbnails by names alone."""
    if group_by is None:
        keys = [sample.name for sample in samples]
    else:
        keys = group_keys([sample.path.stem for sample in samples], group_by)
    if thumbnails is None:
        first: dict[str, int] = {}
        return [first.setdefault(key, i) for i, key in enumerate(keys)]
    return find_groups(
        Chosen(thumbnails, [sample.thumbnail for sample in samples]),
        keys,
        [(sample.width, sample.height) for sample in samples],
    )


def _to_place(
    samples: Sequence[Sample], lists: Mapping[str, Sequence[str]], dst: Path
) -> dict[str, Path]:
    """Files of the images of all lists, by name.

    Also of those that were in their place from the start: they must not be
    taken for links that an earlier conversion left behind.
    """
    named = set().union(*lists.values())
    folder = (dst / 'images').resolve()
    return {
        sample.name: sample.path
        for sample in samples
        if sample.name in named
        or sample.path.parent.resolve().is_relative_to(folder)
    }
