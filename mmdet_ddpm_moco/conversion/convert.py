"""Converts a VOC dataset to COCO json, from folders to finished files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.errors import InputError
from .coco_writer import ImageRecord, to_coco, write_conversion
from .collect import Sample, collect_samples
from .formats.voc import main_class
from .given_lists import match_lists, read_lists
from .group_report import report_groups, report_large_groups
from .near_duplicates import group_near_duplicates as find_groups
from .progress import Progress
from .report import FindingsError, Report
from .splits import check_few_shot, check_ratio, few_shot_subsets, split_groups

DEFAULT_RATIO = (0.7, 0.1, 0.2)

# Stratum of images without boxes. No class can be called that: it is not a
# name but the lack of one.
_NO_CLASS = ''


def convert_voc(
    src: Path,
    dst: Path,
    *,
    ratio: Sequence[float] | None = None,
    lists: Path | None = None,
    seed: int = 0,
    few_shot: Sequence[int] = (),
    classes: Sequence[str] | None = None,
    group_near_duplicates: bool = True,
    strict: bool = False,
    copy: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Converts a VOC dataset and writes the result.

    ``dst`` receives ``images/``, ``annotations/{train,val,test}.json``,
    ``annotations/train_N.json`` for each N of ``few_shot``, the same as lists
    of names under ``lists/``, ``unlabeled`` in both for images nobody has
    annotated, and ``report.json``. The same input gives the same bytes.

    Args:
        src (Path): Folder of the dataset.
        dst (Path): Folder to write to; may be ``src``.
        ratio (Sequence[float], optional): Shares of train, val and test, with
            sum 1. Defaults to (0.7, 0.1, 0.2) unless ``lists`` is given.
        lists (Path, optional): Folder of ``train.txt``, ``val.txt`` and
            ``test.txt`` that name the images of each split, one a line.
            Labeled images that none of them names are in no split. Defaults
            to None: the splits are drawn.
        seed (int): Seed of the drawn splits and of the few-shot subsets.
            Defaults to 0.
        few_shot (Sequence[int]): Numbers of images per class, of nested
            subsets of train. Defaults to none.
        classes (Sequence[str], optional): Classes in the order of their ids.
            Defaults to all, by name.
        group_near_duplicates (bool): Keep images that overlap in one split,
            or report where ``lists`` part them. Defaults to True.
        strict (bool): Refuse to convert a dataset with findings. Defaults to
            False.
        copy (bool): Copy images instead of linking them. Defaults to False.
        progress (Callable, optional): Called with what is being done, how
            much is done and how much there is. Defaults to None.

    Returns:
        Report: What was odd and what was made.

    Raises:
        FileNotFoundError: If ``src`` holds no dataset in a known layout, or
            ``lists`` no ``train.txt``.
        ValueError: If an option is out of range, ``ratio`` and ``lists`` are
            both given, or a list cannot be followed to the letter.
        FindingsError: If ``strict`` and there are findings. Nothing is
            written then.
    """
    src, dst = Path(src), Path(dst)
    if lists is not None and ratio is not None:
        msg = (
            'ratio and lists exclude each other; leave out one of them: '
            'lists say which image is in which split'
        )
        raise InputError(msg)
    given = None if lists is None else read_lists(Path(lists))
    shares = check_ratio(DEFAULT_RATIO if ratio is None else ratio)
    origin: dict[str, Any] = (
        dict(ratio=list(shares))
        if given is None
        else dict(lists_sha256=given.sha256)
    )
    shots = check_few_shot(few_shot)
    if classes is not None and len(set(classes)) < len(classes):
        raise InputError(
            f'classes {" ".join(classes)} must all be different; name each '
            'one once'
        )
    report = Report()
    samples, names = collect_samples(src, dst, classes, report, progress)
    report.options = dict(
        **origin,
        seed=seed,
        few_shot=shots,
        classes=names,
        group_near_duplicates=group_near_duplicates,
    )
    if given is not None:
        members = match_lists(given, samples, report)
    groups = list(range(len(samples)))
    if group_near_duplicates:
        groups = find_groups(
            [sample.thumbnail for sample in samples],
            [sample.name for sample in samples],
            progress,
        )
    strata = {
        sample.name: main_class(sample.boxes) or _NO_CLASS
        for sample in samples
        if sample.boxes is not None
    }
    group_of = {sample.name: group for sample, group in zip(samples, groups)}
    if given is None:
        members = split_groups(strata, group_of, shares, seed)
        report_large_groups(group_of, strata, report)
    train = {name: strata[name] for name in members['train']}
    for shot, subset in few_shot_subsets(train, names, shots, seed).items():
        members[f'train_{shot}'] = subset
    members['unlabeled'] = [
        sample.name for sample in samples if sample.boxes is None
    ]
    records = _number(samples, groups)
    contents = {
        key: [records[name] for name in chosen]
        for key, chosen in members.items()
    }
    for key, listed in contents.items():
        report.counts[key] = _count(listed, names)
    report_groups(samples, group_of, members, report)
    if strict and report.findings:
        raise FindingsError(report)
    info = dict(
        description='VOC annotations converted to COCO',
        version='1.0',
        seed=seed,
        **origin,
        group_near_duplicates=group_near_duplicates,
    )
    write_conversion(
        dst,
        images=_to_place(samples, members, dst),
        lists=members,
        contents={
            key: to_coco(listed, names, info)
            for key, listed in contents.items()
        },
        report=report.to_dict(),
        copy=copy,
    )
    return report


def _number(
    samples: Sequence[Sample], groups: Sequence[int]
) -> dict[str, ImageRecord]:
    """Gives images and boxes their ids, by name of the image."""
    records, box_id = {}, 1
    for index, (sample, group) in enumerate(zip(samples, groups)):
        boxes = sample.boxes or ()
        records[sample.name] = ImageRecord(
            id=index + 1,
            file_name=sample.name,
            width=sample.width,
            height=sample.height,
            group=group + 1,
            boxes=boxes,
            first_box_id=box_id,
        )
        box_id += len(boxes)
    return records


def _count(
    records: Sequence[ImageRecord], classes: Sequence[str]
) -> dict[str, Any]:
    """Images and boxes of one list, by class and in all."""
    images: Counter = Counter()
    boxes: Counter = Counter()
    for record in records:
        images.update({box.name for box in record.boxes})
        boxes.update(box.name for box in record.boxes)
    return dict(
        classes={
            name: dict(images=images[name], boxes=boxes[name])
            for name in classes
        },
        without_boxes=sum(not record.boxes for record in records),
        images=len(records),
        boxes=sum(boxes.values()),
    )


def _to_place(
    samples: Sequence[Sample], lists: Mapping[str, Sequence[str]], dst: Path
) -> dict[str, Path]:
    """Files of the images that a list holds, by name.

    Also of those that lie in their place from the start: they must not be
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
