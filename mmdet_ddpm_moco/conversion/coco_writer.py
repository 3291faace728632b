"""Writes a conversion to disk: images, json files, lists and the report.

Files are replaced atomically, and only files of a conversion are ever
replaced or removed: :func:`refuse_foreign_files` comes before.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..utils.errors import FileAccessError, FileConflictError
from ..utils.fileio import atomic_write_bytes, write_json
from .boxes import Box
from .collect import Sample
from .own_files import is_own

CocoEntry = tuple[dict[str, Any], list[dict[str, Any]]]
"""Image and annotations of a sample, as in a COCO json."""


def coco_entries(
    samples: Sequence[Sample], groups: Sequence[int], classes: Sequence[str]
) -> dict[str, CocoEntry]:
    """COCO entries of all images by name, with ids from 1.

    Args:
        samples (Sequence[Sample]): All images of the data set.
        groups (Sequence[int]): Near-duplicate group of each: the index of
            its first member. Becomes that image's id, as ``group``.
        classes (Sequence[str]): Classes in the order of their ids.
    """
    ids = {name: index for index, name in enumerate(classes, start=1)}
    entries = {}
    box_id = 1
    for number, (sample, group) in enumerate(zip(samples, groups), start=1):
        image = dict(
            id=number,
            file_name=sample.name,
            width=sample.width,
            height=sample.height,
            group=group + 1,
        )
        annotations = [
            dict(
                id=box_id + offset,
                image_id=number,
                category_id=ids[box.name],
                bbox=list(box.xywh),
                area=box.area if box.mask is None else box.mask.area,
                iscrowd=int(box.crowd),
                **_segmentation(box, sample),
            )
            for offset, box in enumerate(sample.boxes or ())
        ]
        box_id += len(annotations)
        entries[sample.name] = image, annotations
    return entries


def _segmentation(box: Box, sample: Sample) -> dict[str, Any]:
    if box.mask is None:
        return {}
    if box.mask.polygons:
        return dict(segmentation=[list(p) for p in box.mask.polygons])
    size = [sample.height, sample.width]
    return dict(segmentation=dict(size=size, counts=box.mask.counts))


def to_coco(
    entries: Sequence[CocoEntry],
    classes: Sequence[str],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    """Builds the contents of one COCO json, classes with ids from 1."""
    return dict(
        info=dict(info),
        images=[image for image, _ in entries],
        annotations=[box for _, boxes in entries for box in boxes],
        categories=[
            dict(id=index, name=name)
            for index, name in enumerate(classes, start=1)
        ],
    )


def write_conversion(
    dst: Path,
    images: Mapping[str, Path],
    contents: Mapping[str, dict[str, Any]],
    report: Any,
    copy: bool,
) -> None:
    """Writes a conversion and removes what an earlier one left behind.

    ``images`` are files by the name of the image, ``contents`` COCO jsons by
    the name of the list. Images are linked, or copied.

    Raises:
        FileExistsError: If another file has the place of an image.
        OSError: If something cannot be written.
    """
    try:
        before = _listed_before(dst)
        for name, source in images.items():
            place_image(source, dst / 'images' / name, copy)
        for name in before - set(images):
            # Only links: a file may be somebody's only copy.
            if (dst / 'images' / name).is_symlink():
                (dst / 'images' / name).unlink()
        for key, coco in contents.items():
            text = ''.join(f'{i["file_name"]}\n' for i in coco['images'])
            # The json first: it marks the list as ours, if we are killed.
            write_json(dst / 'annotations' / f'{key}.json', coco)
            atomic_write_bytes(dst / 'lists' / f'{key}.txt', text.encode())
        _remove_subsets(dst, keep=set(contents))
        write_json(dst / 'report.json', report, indent=1)
    except OSError as error:
        if error.strerror is None:
            raise  # one of ours
        msg = (
            f'cannot write {error.filename2 or error.filename}: '
            f'{error.strerror}'
        )
        raise FileAccessError(msg) from error


def place_image(source: Path, target: Path, copy: bool) -> None:
    """Links or copies an image into the conversion, unless it is there.

    Raises:
        FileExistsError: If ``target`` is another file.
        OSError: If links cannot be made here.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The folder is resolved and not the file: a data set may itself consist
    # of links whose names are the right ones.
    source = source.parent.resolve() / source.name
    folder = target.parent.resolve()
    if source == folder / target.name:
        return
    if target.exists() and not target.is_symlink():
        if target.read_bytes() != source.read_bytes():
            raise FileConflictError(
                f'{target} is another image than {source}; choose another '
                'folder to write to, or move it away'
            )
        if copy:
            return
    draft = target.with_name(f'.{target.name}.part')
    draft.unlink(missing_ok=True)
    if copy:
        shutil.copyfile(source, draft)
    else:
        try:
            draft.symlink_to(os.path.relpath(source, folder))
        except OSError as error:
            raise FileAccessError(
                f'cannot make a symbolic link in {folder} '
                f'({error.strerror}); copy the images instead'
            ) from error
    draft.replace(target)


def _listed_before(dst: Path) -> set[str]:
    """Images of an earlier conversion."""
    names: set[str] = set()
    for key in ('train', 'val', 'test', 'unlabeled'):
        path = dst / 'lists' / f'{key}.txt'
        if path.is_file():
            names.update(path.read_text(encoding='utf-8').splitlines())
    return names


def _remove_subsets(dst: Path, keep: set[str]) -> None:
    """Removes few-shot subsets of an earlier conversion."""
    # Lists first: their json says whose they are.
    for folder in ('lists', 'annotations'):
        for path in (dst / folder).iterdir():
            subset = re.fullmatch(r'(train_\d+)\.(json|txt)', path.name)
            if subset and subset[1] not in keep and is_own(path):
                path.unlink()
