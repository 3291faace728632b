"""Finds images and XML files in the folder layouts VOC data comes in.

Copies of one dataset differ in how they name and nest their folders. They
are recognized by looking, so that nobody has to say which copy they have.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..utils.errors import MissingFileError


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts ``a_2`` before ``a_10``.

    Args:
        text (str): A name.

    Returns:
        tuple[tuple[int, str], ...]: The key. Different texts have different
        keys.
    """
    parts = re.findall(r'([0-9]+)|([^0-9]+)', text)
    # The digits themselves tell 1 and 01 apart.
    return tuple(
        (int(digits), digits) if digits else (-1, other)
        for digits, other in parts
    )


IMAGE_SUFFIXES = frozenset(
    ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
)
IMAGE_FOLDERS = frozenset(('images', 'jpegimages'))
XML_FOLDERS = frozenset(('annotations',))
SPLIT_FOLDERS = frozenset(('train', 'validation', 'valid', 'val', 'test'))


@dataclass(frozen=True)
class SourceFile:
    """A file of the dataset and its place there.

    Attributes:
        path (Path): Where the file is.
        root (str): Folder of the split it was found in, '' if flat.
        folder (str): Sub-folder below the folder of images or annotations,
            '' if there is none.
        label (str): Path relative to the dataset, for reports.
    """

    path: Path
    root: str
    folder: str
    label: str


@dataclass(frozen=True)
class SourceTree:
    """All files below the recognized folders, in natural order.

    Attributes:
        images (list[SourceFile]): Files with the suffix of an image.
        xmls (list[SourceFile]): XML files of the annotation folders.
        strays (list[SourceFile]): Everything else.
    """

    images: list[SourceFile]
    xmls: list[SourceFile]
    strays: list[SourceFile]


def find_files(src: Path, dst: Path | None = None) -> SourceTree:
    """Finds the files of a VOC dataset.

    Args:
        src (Path): Folder of the dataset.
        dst (Path, optional): Folder of the conversion. What a conversion
            wrote there before is not taken for a source.

    Returns:
        SourceTree: The files found.

    Raises:
        FileNotFoundError: If ``src`` is no folder or has no images and XML
            files in a known layout.
    """
    if not src.is_dir():
        raise MissingFileError(f'{src} is not a folder')
    own = dst.resolve() if dst is not None else None
    roots = [''] if _is_flat(src) else _split_roots(src)
    images, xmls, strays = [], [], []
    for root in roots:
        top = src / root
        for folder in _image_folders(top, own):
            for found in _walk(src, root, folder):
                known = found.path.suffix.lower() in IMAGE_SUFFIXES
                (images if known else strays).append(found)
        for folder in _children(top, XML_FOLDERS):
            ours = own is not None and folder.resolve() == own / 'annotations'
            for found in _walk(src, root, folder):
                suffix = found.path.suffix.lower()
                if suffix == '.xml':
                    xmls.append(found)
                elif not (ours and suffix == '.json'):
                    strays.append(found)
    if not images or not xmls:
        raise MissingFileError(
            f'{src} holds no {"XML files" if images else "images"} in a '
            'known layout; looked for {images|JPEGImages}/ and annotations/, '
            'in the folder itself and in {train,validation,valid,val,test}/ '
            '(upper or lower case, sub-folders allowed)'
        )
    return SourceTree(images, xmls, strays)


def _is_flat(src: Path) -> bool:
    xml_folders = _children(src, XML_FOLDERS)
    return bool(_children(src, IMAGE_FOLDERS)) and any(
        found.path.suffix.lower() == '.xml'
        for folder in xml_folders
        for found in _walk(src, '', folder)
    )


def _split_roots(src: Path) -> list[str]:
    return [folder.name for folder in _children(src, SPLIT_FOLDERS)]


def _image_folders(top: Path, own: Path | None) -> list[Path]:
    """Folders of images, without the one a conversion in place has made."""
    folders = _children(top, IMAGE_FOLDERS)
    if len(folders) > 1 and top.resolve() == own:
        folders = [folder for folder in folders if folder.name != 'images']
    return folders


def _children(top: Path, names: frozenset[str]) -> list[Path]:
    return sorted(
        entry
        for entry in top.iterdir()
        if entry.is_dir() and entry.name.lower() in names
    )


def _walk(src: Path, root: str, folder: Path) -> Iterator[SourceFile]:
    # Links to folders are followed, and broken links are files that will be
    # reported: neither may vanish in silence.
    paths = [
        Path(parent, name)
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    ]
    for path in sorted(paths, key=lambda path: natural_key(path.as_posix())):
        inner = path.parent.relative_to(folder).as_posix()
        yield SourceFile(
            path=path,
            root=root,
            folder='' if inner == '.' else inner,
            label=path.relative_to(src).as_posix(),
        )
