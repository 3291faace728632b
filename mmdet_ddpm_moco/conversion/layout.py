"""Finds images and annotation files in the folder layouts of data sets.

Copies of one data set differ in how they name and nest their folders. The
layout is detected, so that nobody has to say which copy they have.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import IMAGE_SUFFIXES
from ..utils.image_files import files_below
from .boxes import AnnotationFile
from .folder_names import UNLABELED, split_of

IMAGE_FOLDERS = frozenset(('images', 'jpegimages'))


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts ``a_2`` before ``a_10``, unique for each text."""
    parts = re.findall(r'([0-9]+)|([^0-9]+)', text)
    # The digits as text distinguish 1 and 01.
    return tuple(
        (int(digits), digits) if digits else (-1, other)
        for digits, other in parts
    )


@dataclass(frozen=True)
class SourceFile:
    """A file of the data set."""

    path: Path
    root: str  # folder of the split it was found in, '' if flat
    folder: str  # below the folder of images or annotations, '' if none
    label: str  # path relative to the data set, for reports
    # Class that the layout gives it, '' for defect-free; None if it gives
    # none, and annotation files do.
    kind: str | None = None
    # Of the image that it annotates, '' if that of its own name.
    image_stem: str = ''

    @property
    def stem(self) -> str:
        """Name without suffix, by which it is paired."""
        return self.image_stem or self.path.stem


Records = dict[SourceFile, AnnotationFile | None]
"""Annotation of one image by what it was read from; None if unreadable.

That is a file. Of files with the annotations of many images it is a place in
one, whose path is that of the image that it names, if it is there.
"""


@dataclass(frozen=True)
class SourceTree:
    """All files of a data set that matter, in natural order."""

    images: list[SourceFile]  # with the suffix of an image
    annotations: list[SourceFile]  # of the format
    strays: list[SourceFile]  # everything else
    settings: Any = None  # what a format found besides, for its reader


def find_files(
    src: Path, suffix: str, folders: frozenset[str], dst: Path | None = None
) -> SourceTree:
    """Finds the files of a data set with folders of images and annotations.

    What a conversion wrote below ``dst`` before is not taken for a source.

    Args:
        src (Path): Folder of the data set.
        suffix (str): Of annotation files, in lower case, with the dot.
        folders (frozenset[str]): Names, in lower case, of folders that
            annotation files are in.
        dst (Path, optional): Folder of the conversion. Defaults to None.

    Raises:
        FileNotFoundError: If ``src`` is no folder or has no images and
            annotation files in a known layout.
    """
    if not src.is_dir():
        raise MissingFileError(f'{src} is not a folder')
    own = dst.resolve() if dst is not None else None
    tree = SourceTree([], [], [])
    others = [f for f in _folders(src) if f.name.lower() not in folders]
    if _is_flat(src, suffix, folders):
        roots = ['']
        others = [f for f in others if f.name.lower() not in IMAGE_FOLDERS]
    else:
        roots = [f.name for f in others if split_of(f.name)]
        others = [f for f in others if f.name not in roots]
    for folder in others:
        # What is made of a data set is no part of it.
        made = own / 'images' if own == src.resolve() else own
        if made is None or not made.is_relative_to(folder.resolve()):
            _add_other(tree, src, folder)
    for root in roots:
        top = src / root
        for folder in _image_folders(top, own):
            for found in walk(src, root, folder):
                known = found.path.suffix.lower() in IMAGE_SUFFIXES
                (tree.images if known else tree.strays).append(found)
        for folder in _children(top, folders):
            ours = own is not None and folder.resolve() == own / 'annotations'
            for found in walk(src, root, folder):
                own_suffix = found.path.suffix.lower()
                if own_suffix == suffix:
                    tree.annotations.append(found)
                elif not (ours and own_suffix == '.json'):
                    tree.strays.append(found)
    if not tree.images or not tree.annotations:
        missing = f'{suffix} files' if tree.images else 'images'
        raise MissingFileError(
            f'{src} holds no {missing} in a known layout; looked for '
            f'{{images|JPEGImages}}/ and {"|".join(sorted(folders))}/, in '
            'the folder itself and in {train,validation,valid,val,test}/ '
            '(upper or lower case, sub-folders allowed)'
        )
    return tree


def find_all(src: Path, dst: Path | None, suffix: str) -> SourceTree:
    """Finds all images and annotation files, in whatever folders.

    Hidden files are skipped, and what is below ``dst``. Other files are
    strays if they are in a folder with images.

    Raises:
        FileNotFoundError: If ``src`` is no folder, or holds no image or no
            annotation file.
        ValueError: If ``dst`` is ``src``: what is written could not be told
            from the data set, or would replace it.
    """
    if not src.is_dir():
        raise MissingFileError(f'{src} is not a folder')
    own = None if dst is None else dst.resolve()
    if own == src.resolve():
        raise InputError(
            f'{dst} is the data set itself; choose another folder to write '
            'to, so that its annotations are not replaced'
        )
    tree = SourceTree([], [], [])
    others = []
    skipped: dict[str, bool] = {}
    for found in walk(src, '', src):
        if found.folder not in skipped:
            parts = Path(found.folder).parts
            folder = found.path.parent.resolve()
            skipped[found.folder] = any(p.startswith('.') for p in parts) or (
                own is not None and folder.is_relative_to(own)
            )
        if skipped[found.folder] or found.path.name.startswith('.'):
            continue
        if found.path.suffix.lower() in IMAGE_SUFFIXES:
            tree.images.append(found)
        elif found.path.suffix.lower() == suffix:
            tree.annotations.append(found)
        else:
            others.append(found)
    folders = {image.path.parent for image in tree.images}
    tree.strays.extend(f for f in others if f.path.parent in folders)
    if not tree.images or not tree.annotations:
        missing = f'{suffix} files' if tree.images else 'images'
        raise MissingFileError(
            f'{src} holds no {missing}; looked for images and {suffix} files '
            'in all of its folders'
        )
    return tree


def _add_other(tree: SourceTree, src: Path, folder: Path) -> None:
    """Adds the images of a folder that the layout does not have.

    In one of unlabeled images they are that, elsewhere they may be masks or
    drawings.
    """
    unlabeled = UNLABELED.search(folder.name)
    part = tree.images if unlabeled else tree.strays
    for found in walk(src, '', folder):
        if found.path.suffix.lower() in IMAGE_SUFFIXES:
            part.append(found)


def _is_flat(src: Path, suffix: str, folders: frozenset[str]) -> bool:
    return bool(_children(src, IMAGE_FOLDERS)) and any(
        found.path.suffix.lower() == suffix
        for folder in _children(src, folders)
        for found in walk(src, '', folder)
    )


def _image_folders(top: Path, own: Path | None) -> list[Path]:
    """Folders of images, without the one a conversion in place has made."""
    folders = _children(top, IMAGE_FOLDERS)
    if len(folders) > 1 and top.resolve() == own:
        folders = [folder for folder in folders if folder.name != 'images']
    return folders


def _children(top: Path, names: frozenset[str]) -> list[Path]:
    return [f for f in _folders(top) if f.name.lower() in names]


def _folders(top: Path) -> list[Path]:
    return sorted(entry for entry in top.iterdir() if entry.is_dir())


def walk(src: Path, root: str, folder: Path) -> Iterator[SourceFile]:
    """All files below a folder of the data set, in natural order.

    Raises:
        ValueError: A name is not in UTF-8, and json could not hold it.
    """
    for path in sorted(
        files_below(folder), key=lambda path: natural_key(path.as_posix())
    ):
        inner = path.parent.relative_to(folder).as_posix()
        label = path.relative_to(src).as_posix()
        if any('\ud800' <= letter <= '\udfff' for letter in label):
            msg = (
                f'the name of {label!a} in {src} is not in UTF-8; rename all '
                f'such files, as by: convmv -r --notest -f gbk -t utf8 {src}'
            )
            raise InputError(msg)
        yield SourceFile(
            path=path,
            root=root,
            folder='' if inner == '.' else inner,
            label=label,
        )
