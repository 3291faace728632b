"""What data.yaml, lists and folders of a YOLO data set say about files."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ...utils.errors import InputError
from ..folder_names import SPLIT_FOLDERS, split_in, split_of
from ..layout import SourceFile, SourceTree
from .files import read_text

_LABELS = 'labels'  # in lower case; folders of text files
_IMAGES = 'images'
# Text files that list names or images, in lower case and without suffix.
_LISTS = frozenset(('classes', 'names', 'labels', 'readme')) | SPLIT_FOLDERS


@dataclass(frozen=True)
class Settings:
    """What a data set says besides its labels."""

    names: dict[int, str]  # class of each number
    keypoints: bool = False  # labels have points of a pose
    # Folders of images, or images, of each split, relative to the data set;
    # names in `files` may have other folders in front.
    folders: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)


def read_settings(src: Path) -> Settings:
    """Reads data.yaml, or another YAML with ``names``, or a list of names.

    Raises:
        ValueError: If it cannot be read, or several YAML files have names.
    """
    given = _yaml(src)
    named = given.get('names')
    if isinstance(named, Mapping):
        try:
            names = {int(key): str(name) for key, name in named.items()}
        except (TypeError, ValueError) as error:
            raise InputError(
                f'{src} has names in its YAML that are not numbered; number '
                'them from 0, or write a list'
            ) from error
    elif isinstance(named, list):
        names = dict(enumerate(map(str, named)))
    else:
        names = _listed_names(src)
    folders: dict[str, list[str]] = {}
    files: dict[str, list[str]] = {}
    for key in ('train', 'val', 'valid', 'test'):
        entries = given.get(key) or []
        entries = entries if isinstance(entries, list) else [entries]
        listed = src / f'{key}.txt'
        if not entries and listed.is_file():
            entries = [listed.name]
        for entry in map(str, entries):
            found = _existing(src, str(given.get('path', '')), entry)
            if found is None:
                continue
            split = split_of(key)
            if found.is_dir():
                folders.setdefault(split, []).append(
                    found.relative_to(_home(src)).as_posix()
                )
            else:
                text = read_text(found)
                files.setdefault(split, []).extend(
                    line.strip().replace('\\', '/').removeprefix('./')
                    for line in text.splitlines()
                    if line.strip()
                )
    return Settings(names, 'kpt_shape' in given, folders, files)


def arranged(tree: SourceTree, settings: Settings) -> SourceTree:
    """The files with their splits, and with folders by which they pair.

    ``images/train/a`` and ``labels/train/a`` are one folder then.
    """
    by_labels = any(map(_in_labels, tree.annotations))
    split_of_image = _splits(tree.images, settings)
    images = [
        replace(
            image,
            root=split_of_image[image],
            folder=_without(image.folder, _IMAGES),
        )
        for image in tree.images
    ]
    roots = {(image.folder, image.stem): image.root for image in images}
    in_folders = {image.path.parent for image in tree.images}
    annotations, strays = [], list(tree.strays)
    for file in tree.annotations:
        folder = _without(file.folder, _LABELS)
        if _is_label(file) and (
            _in_labels(file) if by_labels else file.path.parent in in_folders
        ):
            root = roots.get((folder, file.stem), split_in(file.label))
            annotations.append(replace(file, root=root, folder=folder))
        elif _is_label(file) and file.path.parent in in_folders:
            strays.append(file)
    return SourceTree(images, annotations, strays, settings)


def _is_label(file: SourceFile) -> bool:
    """Whether a text file is no list of names or images."""
    return file.path.stem.lower() not in _LISTS


def _in_labels(file: SourceFile) -> bool:
    return _LABELS in PurePosixPath(file.folder.lower()).parts


def _without(folder: str, name: str) -> str:
    parts = [part for part in folder.split('/') if part.lower() != name]
    return '/'.join(parts)


def _splits(
    images: Iterable[SourceFile], settings: Settings
) -> dict[SourceFile, str]:
    """Split of each image; that of data.yaml goes before its folder's."""
    by_name = defaultdict(list)
    for image in images:
        by_name[image.path.name].append(image)
    found: dict[SourceFile, str] = {}
    for split, lines in settings.files.items():
        for line in lines:
            fits = by_name.get(PurePosixPath(line).name, [])
            if len(fits) > 1:
                fits = [i for i in fits if f'/{line}'.endswith(f'/{i.label}')]
            for image in fits:
                found.setdefault(image, split)
    for split, folders in settings.folders.items():
        for image in images:
            parents = PurePosixPath(image.label).parents
            if any(parent.as_posix() in folders for parent in parents):
                found.setdefault(image, split)
    declared = bool(found)
    return {
        image: found.get(image, '' if declared else split_in(image.label))
        for image in images
    }


def _existing(src: Path, base: str, entry: str) -> Path | None:
    """The file or folder of an entry of data.yaml, if it is below ``src``.

    Paths of other machines are common, and ``..`` too many.
    """
    home = _home(src)
    bare = PurePosixPath(entry.replace('\\', '/'))
    parts = [part for part in bare.parts if part not in ('..', '/')]
    tails = ['/'.join(parts[start:]) for start in range(len(parts))]
    for place in (Path(base, entry), Path(entry), *map(Path, tails)):
        path = Path(os.path.normpath(home / place))
        if path.exists() and path != home and path.is_relative_to(home):
            return path
    return None


def _home(src: Path) -> Path:
    # Not resolved: folders of a data set may be links.
    return Path(os.path.normpath(src.absolute()))


def _yaml(src: Path) -> dict[str, Any]:
    # Here, because other formats do without.
    import yaml

    found = {}
    for path in sorted((*src.glob('*.yaml'), *src.glob('*.yml'))):
        try:
            content = yaml.safe_load(path.read_bytes())
        except (OSError, yaml.YAMLError) as error:
            reason = ' '.join(str(error).split())
            msg = f'{path} is no YAML: {reason}; correct it'
            raise InputError(msg) from error
        if isinstance(content, dict) and 'names' in content:
            found[path.name] = content
    if len(found) > 1 and 'data.yaml' not in found:
        raise InputError(
            f'{src} has names of classes in {" and ".join(found)}; call the '
            'one that holds data.yaml'
        )
    return found.get('data.yaml') or next(iter(found.values()), {})


def _listed_names(src: Path) -> dict[int, str]:
    places = [
        *src.glob('classes.txt'),
        *src.glob('*.names'),
        *sorted(src.rglob('classes.txt')),
    ]
    if not places:
        return {}
    lines = read_text(places[0]).splitlines()
    return {
        index: line.strip() for index, line in enumerate(lines) if line.strip()
    }
