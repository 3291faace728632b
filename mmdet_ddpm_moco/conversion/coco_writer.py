"""Writes a conversion to disk: images, json files, lists and the report.

Each file appears in one step, under a name of its own until it is complete,
and nothing but the files of a conversion is ever replaced or removed.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.errors import FileAccessError, FileConflictError
from ..utils.fileio import atomic_write_bytes
from .formats.voc import Box


@dataclass(frozen=True)
class ImageRecord:
    """An image with the ids it has in every json of a conversion.

    Attributes:
        id (int): Id of the image, from 1.
        file_name (str): Path below the folder of images.
        width (int): Width in pixels.
        height (int): Height in pixels.
        group (int): Id of the first image of its near-duplicate group, its
            own id if it is alone.
        boxes (tuple[Box, ...]): Its boxes.
        first_box_id (int): Id of its first box; the next ones count on.
    """

    id: int
    file_name: str
    width: int
    height: int
    group: int
    boxes: tuple[Box, ...]
    first_box_id: int


def to_coco(
    records: Sequence[ImageRecord],
    classes: Sequence[str],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    """Builds the contents of one COCO json.

    Args:
        records (Sequence[ImageRecord]): Images to list.
        classes (Sequence[str]): Classes in the order of their ids, from 1.
        info (Mapping[str, Any]): The ``info`` section.

    Returns:
        dict[str, Any]: info, images, annotations and categories.
    """
    ids = {name: index for index, name in enumerate(classes, start=1)}
    return dict(
        info=dict(info),
        images=[
            dict(
                id=record.id,
                file_name=record.file_name,
                width=record.width,
                height=record.height,
                group=record.group,
            )
            for record in records
        ],
        annotations=[
            dict(
                id=record.first_box_id + offset,
                image_id=record.id,
                category_id=ids[box.name],
                bbox=list(box.xywh),
                area=box.area,
                iscrowd=0,
            )
            for record in records
            for offset, box in enumerate(record.boxes)
        ],
        categories=[dict(id=ids[name], name=name) for name in classes],
    )


def write_conversion(
    dst: Path,
    images: Mapping[str, Path],
    lists: Mapping[str, Sequence[str]],
    contents: Mapping[str, Any],
    report: Any,
    copy: bool,
) -> None:
    """Writes a conversion and clears away what an earlier one left behind.

    Args:
        dst (Path): Folder to write to.
        images (Mapping[str, Path]): File of each image by its name.
        lists (Mapping[str, Sequence[str]]): Names of images by list.
        contents (Mapping[str, Any]): COCO json by list.
        report (Any): The report for JSON.
        copy (bool): Copy images instead of linking them.

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
        for key, names in lists.items():
            text = ''.join(f'{name}\n' for name in names)
            atomic_write_bytes(dst / 'lists' / f'{key}.txt', text.encode())
            _write_json(dst / 'annotations' / f'{key}.json', contents[key])
        _remove_subsets(dst, keep=set(lists))
        _write_json(dst / 'report.json', report, indent=1)
    except OSError as error:
        if error.strerror is None:
            raise  # one of ours
        msg = (
            f'cannot write {error.filename2 or error.filename}: '
            f'{error.strerror}'
        )
        raise FileAccessError(msg) from error


def place_image(source: Path, target: Path, copy: bool) -> None:
    """Puts an image into the conversion.

    Args:
        source (Path): The image.
        target (Path): Where it should be; nothing is done if it is there.
        copy (bool): Copy it instead of making a symbolic link.

    Raises:
        FileExistsError: If another file stands there.
        OSError: If links cannot be made here.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The folder is resolved and not the file: a dataset may itself consist
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


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    atomic_write_bytes(path, f'{text}\n'.encode())


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
    for folder in ('lists', 'annotations'):
        for path in (dst / folder).iterdir():
            subset = re.fullmatch(r'(train_\d+)\.(json|txt)', path.name)
            if subset and subset[1] not in keep:
                path.unlink()
