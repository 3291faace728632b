"""Joins what formats say that have one annotation file for many images."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..boxes import AnnotationFile
from ..folder_names import split_in, split_of_file
from ..layout import Records, SourceFile
from ..report import Report
from ..splits import SPLITS


def split_of_list(file: SourceFile) -> str:
    """Split of a file's images: that in its name or else of its folder."""
    return split_of_file(file.path.stem) or split_in(file.label)


def in_order_of_splits(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Files of train first, then of val and test, at last those of none."""
    ranks = {split: rank for rank, split in enumerate((*SPLITS, ''))}
    return sorted(files, key=lambda file: ranks[split_of_list(file)])


def join_listed(
    listed: Iterable[tuple[SourceFile, AnnotationFile]],
    images: Sequence[SourceFile],
    report: Report,
) -> Records:
    """Annotations by image, where one may be listed several times.

    It has the objects of all places, and the split of the first one that has
    a split. Those that say something new are added to the report.

    Args:
        listed (Iterable[tuple[SourceFile, AnnotationFile]]): Place in a file,
            whose path is that of the image that it names, and annotation.
        images (Sequence[SourceFile]): Images of the data set.
        report (Report): Receives the findings.
    """
    on_disk = Counter(image.path.name for image in images)
    records: Records = {}
    first_of: dict[object, SourceFile] = {}
    for record, annotation in listed:
        name = record.path.name
        # Of several images of one name, the split may say which it is.
        several = on_disk[name] > 1
        key = (record.path, record.root) if several else name
        first = first_of.setdefault(key, record)
        before = records.get(first)
        if before is None:
            records[first] = annotation
            continue
        new = [o for o in annotation.objects if o not in before.objects]
        if new or (record.root and record.root != first.root):
            report.add('listed_twice', first.label, f'and {record.label}')
        records[first] = replace(before, objects=(*before.objects, *new))
    return records
