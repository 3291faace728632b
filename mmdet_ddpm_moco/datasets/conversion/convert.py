"""Converts a VOC dataset to COCO json, from folders to finished files."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet_ddpm_moco.datasets.conversion.boxes import main_class
from mmdet_ddpm_moco.datasets.conversion.coco_json import (
    ImageRecord,
    to_coco,
)
from mmdet_ddpm_moco.datasets.conversion.collect import (
    Sample,
    collect_samples,
)
from mmdet_ddpm_moco.datasets.conversion.near_duplicates import (
    group_near_duplicates as find_groups,
)
from mmdet_ddpm_moco.datasets.conversion.output import write_conversion
from mmdet_ddpm_moco.datasets.conversion.progress import Progress
from mmdet_ddpm_moco.datasets.conversion.report import FindingsError, Report
from mmdet_ddpm_moco.datasets.conversion.splits import (
    SPLITS,
    check_few_shot,
    check_ratio,
    few_shot_subsets,
    split_groups,
)

# Stratum of images without boxes. No class can be called that: it is not a
# name but the lack of one.
_NO_CLASS = ''


def convert_voc(
    src: Path,
    dst: Path,
    *,
    ratio: Sequence[float] = (0.7, 0.1, 0.2),
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
    of names under ``lists/``, ``unlabelled`` in both for images nobody has
    annotated, and ``report.json``. The same input gives the same bytes.

    Args:
        src (Path): Folder of the dataset.
        dst (Path): Folder to write to; may be ``src``.
        ratio (Sequence[float]): Shares of train, val and test, with sum 1.
            Defaults to (0.7, 0.1, 0.2).
        seed (int): Seed of the splits. Defaults to 0.
        few_shot (Sequence[int]): Numbers of images per class, of nested
            subsets of train. Defaults to none.
        classes (Sequence[str], optional): Classes in the order of their ids.
            Defaults to all, by name.
        group_near_duplicates (bool): Keep images that overlap in one split.
            Defaults to True.
        strict (bool): Refuse to convert a dataset with findings. Defaults to
            False.
        copy (bool): Copy images instead of linking them. Defaults to False.
        progress (Callable, optional): Called with what is being done, how
            much is done and how much there is. Defaults to None.

    Returns:
        Report: What was odd and what was made.

    Raises:
        FileNotFoundError: If ``src`` holds no dataset in a known layout.
        ValueError: If an option is out of range.
        FindingsError: If ``strict`` and there are findings. Nothing is
            written then.
    """
    src, dst = Path(src), Path(dst)
    shares = check_ratio(ratio)
    shots = check_few_shot(few_shot)
    if classes is not None and len(set(classes)) < len(classes):
        raise ValueError(
            f'classes {" ".join(classes)} must all be different; name each '
            'one once'
        )
    report = Report()
    samples, names = collect_samples(src, dst, classes, report, progress)
    report.options = dict(
        ratio=list(shares),
        seed=seed,
        few_shot=shots,
        classes=names,
        group_near_duplicates=group_near_duplicates,
    )
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
    lists = split_groups(strata, group_of, shares, seed)
    train = {name: strata[name] for name in lists['train']}
    for shot, subset in few_shot_subsets(train, names, shots, seed).items():
        lists[f'train_{shot}'] = subset
    lists['unlabelled'] = [
        sample.name for sample in samples if sample.boxes is None
    ]
    records = _number(samples, groups)
    for key, members in lists.items():
        report.counts[key] = _count([records[name] for name in members], names)
    _report_groups(samples, group_of, strata, lists, report)
    if strict and report.findings:
        raise FindingsError(report)
    info = dict(
        description='VOC annotations converted to COCO',
        version='1.0',
        seed=seed,
        ratio=list(shares),
        group_near_duplicates=group_near_duplicates,
    )
    write_conversion(
        dst,
        images={sample.name: sample.path for sample in samples},
        lists=lists,
        contents={
            key: to_coco([records[name] for name in members], names, info)
            for key, members in lists.items()
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


def _report_groups(
    samples: Sequence[Sample],
    group_of: Mapping[str, int],
    strata: Mapping[str, str],
    lists: Mapping[str, Sequence[str]],
    report: Report,
) -> None:
    """Describes the near-duplicate groups and what they threaten."""
    members: dict[int, list[str]] = defaultdict(list)
    for name, group in group_of.items():
        members[group].append(name)
    split_of = {
        name: split
        for split in (*SPLITS, 'unlabelled')
        for name in lists[split]
    }
    shared = [names for names in members.values() if len(names) > 1]
    shared.sort(key=lambda names: -len(names))
    report.groups = dict(
        groups=len(shared),
        images=sum(map(len, shared)),
        largest=[
            dict(
                size=len(names),
                splits=sorted({split_of[name] for name in names}),
                images=names,
            )
            for names in shared[:5]
        ],
    )
    sizes = Counter(strata.values())
    for names in shared:
        inside = Counter(strata[name] for name in names if name in strata)
        for kind, count in sorted(inside.items()):
            if count > sizes[kind] / 2:
                report.add(
                    'large_group',
                    names[0],
                    f'{count} of {sizes[kind]} images of {kind or "no class"}',
                )
    held_out = {
        group_of[name] for split in ('val', 'test') for name in lists[split]
    }
    for sample in samples:
        if sample.boxes is None and group_of[sample.name] in held_out:
            report.add('unlabelled_like_held_out', sample.label)
