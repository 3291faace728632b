"""Pixel masks: a folder per class, a mask beside each image.

The layout of the magnetic tile defects (Huang, Qiu and Yuan, "Surface defect
saliency of magnetic tiles", The Visual Computer 36, 2020). Each connected
piece of a mask becomes an object with its box and its pixels.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...utils.errors import InputError, MissingFileError
from ...utils.fileio import IMAGE_SUFFIXES
from ...utils.image_files import decode_image
from ..boxes import AnnotationFile
from ..folder_names import is_defect_free, split_of
from ..layout import Records, SourceFile, SourceTree, natural_key, walk
from ..pairing import pair_by_stem
from ..report import Report
from ..shapes import pieces
from . import mvtec, severstal
from .files import read_files

pair = pair_by_stem
TITLE = 'images with pixel masks in folders of classes'
LAYOUT = """\
SRC holds a folder per class, with or without sub-folders, with images and
masks of the same stem and size:
  SRC/MT_Crack/Imgs/7.jpg and 7.png           an image and its mask
  SRC/MT_Crack/images/7.png and masks/7.png   the same, apart
  SRC/MT_Free/Imgs/8.jpg                      no defect, a mask is not needed
  SRC/train/MT_Crack/..., val/..., test/...   the same, with a split
Classes are named like the folders, without a prefix that all have in common
(MT_). A folder is free of defects if it is called free, good, ok, normal,
clean, no_defect or defect_free, or if all its masks are empty. Two more
layouts are known:
  SRC/train/good/7.png, test/<kind>/7.png, ground_truth/<kind>/7_mask.png,
      one object of MVTec AD (its split has no defects to train on, so that a
      new one is drawn)
  SRC/train.csv and SRC/train_images/, Severstal (classes 1 to 4, all images
      of the folder without a mask in the list are free of defects)

Each connected piece of a mask becomes an object. Marked is what is white; in
colors, or where there is one gray level, all that is not black. What alpha
makes invisible is not marked; in one color alpha itself is the mask. An empty
mask among defects leaves its image unlabeled.
"""

NAME = 'mask'
NOUN = 'mask'
SUFFIX = '.png'
FOLDER = 'masks'  # in lower case; all PNG in it are masks

# Pixels that an object must have. In the masks of magnetic tiles slips of the
# brush have up to 8, the smallest blowhole has 26.
MIN_AREA = 16

# What a conversion in place has written.
_OWN_FOLDERS = frozenset(('images', 'annotations', 'lists'))


def find(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds the images and masks in the folders of the classes.

    What a conversion wrote below ``dst`` before is not taken for a source.

    Raises:
        FileNotFoundError: If ``src`` is no folder, or its folders hold no
            images or no masks.
    """
    if not src.is_dir():
        raise MissingFileError(f'{src} is not a folder')
    for known_layout in (severstal, mvtec):
        if known_layout.is_layout(src):
            return known_layout.find(src)
    tree = SourceTree([], [], [])
    found: dict[str, list[SourceFile]] = {}
    for root, folder in _class_folders(src, dst):
        files = list(walk(src, root, folder))
        if any(_is_image(file) for file in files):
            found.setdefault(folder.name, []).extend(files)
        else:
            tree.strays.extend(files)
    for kind, files in zip(class_names(list(found)), found.values()):
        masks = _masks(files)
        if kind and masks and all(_is_empty(mask.path) for mask in masks):
            kind = ''
        for file in files:
            named = replace(file, kind=kind)
            if file in masks:
                tree.annotations.append(named)
            else:
                known = _is_image(file)
                (tree.images if known else tree.strays).append(named)
    if not tree.images or not tree.annotations:
        missing = 'masks' if tree.images else 'images'
        raise MissingFileError(
            f'{src} holds no {missing} in a known layout; looked for one '
            f'folder per class with images and, beside each or in {FOLDER}/, '
            f'a mask of the same stem with suffix {SUFFIX}'
        )
    return tree


def read(tree: SourceTree, report: Report) -> Records:
    """Reads the masks; see :func:`read_files`."""
    if tree.settings == severstal.NAME:
        return severstal.read(tree, report)
    return read_files(tree.annotations, parse, NOUN, report)


def class_names(folders: Sequence[str]) -> list[str]:
    """Class of each folder by its name, '' for defect-free.

    A prefix that all have in common, up to a separator, is left out:
    ``MT_Crack``, ``MT_Free`` are ``Crack`` and defect-free.
    """
    parts = [re.findall('[^-_. ]*[-_. ]+|[^-_. ]+', name) for name in folders]
    shared = 0
    while (
        len(parts) > 1
        and all(len(part) > shared + 1 for part in parts)
        and len({part[shared] for part in parts}) == 1
    ):
        shared += 1
    names = [''.join(part[shared:]) for part in parts]
    return ['' if is_defect_free(name) else name for name in names]


def parse(data: bytes, kind: str | None = None) -> AnnotationFile:
    """Parses a mask, whose objects are all of class ``kind``.

    Raises:
        ValueError: If it is no image, or does not say what is marked.
    """
    marked = marked_pixels(data)
    height, width = marked.shape
    return AnnotationFile(None, (width, height), pieces(marked, kind or ''))


def marked_pixels(data: bytes) -> np.ndarray:
    """The pixels that a mask marks, bool (H, W).

    In a gray mask those of the lighter half, since edges may be gray, or all
    that are not black if they have one gray level. In colors (of a palette,
    say) all that are not black. Where alpha says what is visible, the rest
    marks nothing, and in one color alpha is the mask.

    Raises:
        ValueError: If it is no image, or gray without being light anywhere.
    """
    pixels = decode_image(data, cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 3:
        pixels = _without_alpha(pixels)
    if pixels.ndim == 3:
        if (pixels != pixels[:, :, :1]).any():
            return (pixels > 0).max(axis=2)
        pixels = pixels[:, :, 0]
    levels = np.unique(pixels[pixels > 0])
    if len(levels) < 2:
        return pixels > 0
    half = 127 if pixels.dtype == np.uint8 else 32767
    if levels[-1] <= half:
        raise InputError(
            f'{len(levels)} gray levels from {levels[0]} to {levels[-1]}, '
            'none of them light; mark defects in white'
        )
    return pixels > half


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Colors (H, W, 3) with black where nothing is visible.

    Of colors that are constant, alpha (H, W). Alpha that is constant says
    nothing: files of 32 bits may leave it at 0.
    """
    colors, alpha = pixels[:, :, :3], pixels[:, :, 3:]
    if not alpha.size or (alpha == alpha[0, 0]).all():
        return colors
    if (colors == colors[0, 0]).all():
        return alpha[:, :, 0]
    return np.where(alpha > 0, colors, 0)


def _folders(src: Path, dst: Path | None) -> list[Path]:
    """Sub-folders but hidden ones and those that a conversion writes."""
    own = None if dst is None else dst.resolve()
    skipped = _OWN_FOLDERS if own == src.resolve() else frozenset()
    return sorted(
        (
            entry
            for entry in src.iterdir()
            if entry.is_dir()
            and not entry.name.startswith('.')
            and entry.name not in skipped
            and not (own and own.is_relative_to(entry.resolve()))
        ),
        key=lambda entry: natural_key(entry.name),
    )


def _class_folders(src: Path, dst: Path | None) -> list[tuple[str, Path]]:
    """Folders of classes, with what is their root: themselves or a split."""
    folders = _folders(src, dst)
    splits = [folder for folder in folders if split_of(folder.name)]
    if len(splits) < min(2, len(folders)):
        splits = []
    classes = [(f.name, f) for f in folders if f not in splits]
    for split in splits:
        classes.extend((split.name, f) for f in _folders(split, dst))
    return classes


def _is_image(file: SourceFile) -> bool:
    return file.path.suffix.lower() in IMAGE_SUFFIXES


def _masks(files: Sequence[SourceFile]) -> set[SourceFile]:
    """Masks among the files of a class.

    In a folder of PNG alone they are images, elsewhere they are the masks of
    the images of other suffixes.
    """
    by_folder = defaultdict(list)
    for file in filter(_is_image, files):
        by_folder[file.path.parent].append(file)
    found = set()
    for folder, members in by_folder.items():
        pngs = {f for f in members if f.path.suffix.lower() == SUFFIX}
        if folder.name.lower() == FOLDER or len(pngs) < len(members):
            found |= pngs
    return found


def _is_empty(path: Path) -> bool:
    try:
        return not marked_pixels(path.read_bytes()).any()
    except (OSError, ValueError):
        return False  # reported when it is parsed
