"""Pairs images with annotation files, and names the images."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import (
    Callable,
    Container,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath

from .boxes import AnnotationFile
from .folder_names import split_in, split_of
from .layout import SourceFile

Folders = tuple[str, ...]

# From the closest relation to the widest. The third one repairs copies in
# which an image and its annotation are in different splits, the others those
# that went through a file system of Windows or macOS.
_RELATIONS: tuple[Callable[[SourceFile], Hashable], ...] = (
    lambda file: (file.stem, file.kind, file.root, file.folder),
    lambda file: (file.stem, file.kind, file.root),
    lambda file: (file.stem, file.kind),
    lambda file: (folded(file.stem), file.kind, file.root, file.folder),
    lambda file: (folded(file.stem), file.kind),
)


def may_be_of(
    image: SourceFile, file: SourceFile, folders: Container[str]
) -> bool:
    """Whether an annotation file and an image of one stem may be a pair.

    They may be in different folders, but an annotation in a folder that
    images are in, or whose own folder has the name of one, is of one of those.

    Args:
        image (SourceFile): The image.
        file (SourceFile): The annotation file.
        folders (Container[str]): :func:`inner_folder` of all images.
    """
    own = inner_folder(file)
    return not own or own not in folders or own == inner_folder(image)


def inner_folder(file: SourceFile) -> str:
    """Innermost folder of a file that is not one of a split, '' if none."""
    parts = [part for part in file.folder.split('/') if not split_of(part)]
    return parts[-1] if parts else ''


def folded(name: str) -> str:
    """A name without the differences of case and Unicode form (NFC, NFD)."""
    return unicodedata.normalize('NFC', name).casefold()


def pair_by_stem(
    images: Sequence[SourceFile], annotations: Sequence[SourceFile]
) -> dict[SourceFile, SourceFile]:
    """Pairs images and annotation files of the same stem.

    Files of the same split and sub-folder are paired first, then those of the
    same split, then any, but none of different kinds; at last those whose
    stems differ in case or Unicode form. In each step a pair is made only
    where it is the only one possible: nothing is guessed. See
    :func:`may_be_of` for what is not.

    Args:
        images (Sequence[SourceFile]): All of them: the annotation of one
            that is left out may be taken for another's.
        annotations (Sequence[SourceFile]): The annotation files.

    Returns:
        dict[SourceFile, SourceFile]: Annotation file of each paired image.
    """
    pairs: dict[SourceFile, SourceFile] = {}
    free_images, free_files = list(images), list(annotations)
    folders = {inner_folder(image) for image in images}
    for relation in _RELATIONS:
        by_key: dict[Hashable, tuple[list, list]]
        by_key = defaultdict(lambda: ([], []))
        for image in free_images:
            by_key[relation(image)][0].append(image)
        for file in free_files:
            by_key[relation(file)][1].append(file)
        for candidates, files in by_key.values():
            if len(candidates) == len(files) == 1 and may_be_of(
                candidates[0], files[0], folders
            ):
                pairs[candidates[0]] = files[0]
        taken = set(pairs.values())
        free_images = [image for image in free_images if image not in pairs]
        free_files = [file for file in free_files if file not in taken]
    return pairs


def pair_by_filename(
    images: Sequence[SourceFile],
    annotations: Mapping[SourceFile, AnnotationFile | None],
    pairs: Mapping[SourceFile, SourceFile],
) -> dict[SourceFile, SourceFile]:
    """Pairs what is left with the image that the annotation itself names.

    For images of one stem, such as ``1.bmp`` of a camera and its ``1.jpg``.

    Args:
        images (Sequence[SourceFile]): All of them.
        annotations (Mapping): All of them.
        pairs (Mapping): Those made already.

    Returns:
        dict[SourceFile, SourceFile]: Further pairs, each the only one
        possible, first within a folder.
    """
    further: dict[SourceFile, SourceFile] = {}
    folders = {inner_folder(image) for image in images}
    used = set(pairs.values())
    named = {}
    for file, annotation in annotations.items():
        if annotation and annotation.filename and file not in used:
            name = PurePosixPath(annotation.filename.replace('\\', '/'))
            if name.stem == file.stem:
                named[file] = name.name
    free = [image for image in images if image not in pairs]
    for place in (lambda file: (file.root, file.folder), lambda file: ()):
        used = set(further.values())
        found: dict[Hashable, tuple[list, list]]
        found = defaultdict(lambda: ([], []))
        for image in free:
            if image not in further:
                found[image.path.name, place(image)][0].append(image)
        for file, name_of_image in named.items():
            if file not in used:
                found[name_of_image, place(file)][1].append(file)
        for candidates, files in found.values():
            if len(candidates) == len(files) == 1 and may_be_of(
                candidates[0], files[0], folders
            ):
                further[candidates[0]] = files[0]
    return further


def pair_by_name(
    images: Sequence[SourceFile], annotations: Sequence[SourceFile]
) -> dict[SourceFile, SourceFile]:
    """Pairs images with annotations that name them, by path or by name.

    Of images of the named name that one counts whose folders agree the
    furthest, and then that of the same split. Images of the same stem, or of
    one that differs in case or Unicode form, count if there is none of the
    name. A pair is made only where it is the only one possible.

    Returns:
        dict[SourceFile, SourceFile]: Annotation of each paired image.
    """
    pairs: dict[SourceFile, SourceFile] = {}
    free = list(annotations)
    names: tuple[Callable[[SourceFile], str], ...] = (
        lambda file: file.path.name,
        lambda file: file.path.stem,
        lambda file: folded(file.path.stem),
    )
    for name in names:
        named: dict[str, _Places] = defaultdict(_Places)
        for image in images:
            if image not in pairs:
                named[name(image)].add(image)
        claims: dict[SourceFile, list[SourceFile]] = defaultdict(list)
        for annotation in free:
            others = named.get(name(annotation))
            fits = others.closest(annotation) if others else []
            if len(fits) == 1:
                claims[fits[0]].append(annotation)
        for image, claiming in claims.items():
            best = _Places(claiming).closest(image)
            if len(best) == 1:
                pairs[image] = best[0]
        taken = set(pairs.values())
        free = [item for item in free if item not in taken]
    return pairs


class _Places:
    """Files of one name, found by the folders that they lie in.

    There are thousands where each part has a folder, with the same names of
    images in each.
    """

    def __init__(self, files: Iterable[SourceFile] = ()) -> None:
        self._by_folders: dict[Folders, list[SourceFile]] = defaultdict(list)
        for file in files:
            self.add(file)

    def add(self, file: SourceFile) -> None:
        for folders in _innermost(file):
            self._by_folders[folders].append(file)

    def closest(self, file: SourceFile) -> list[SourceFile]:
        """Those whose paths agree the furthest, then those of its split."""
        agreeing = map(self._by_folders.get, reversed(_innermost(file)))
        found = next(filter(None, agreeing), [])
        same = [other for other in found if _split(other) == _split(file)]
        return same or list(found)


def _innermost(file: SourceFile) -> list[Folders]:
    """Its innermost 0, 1, ... folders."""
    folders = file.path.parts[:-1]
    return [folders[len(folders) - n :] for n in range(len(folders) + 1)]


def _split(file: SourceFile) -> str:
    return file.root or split_in(file.label)


def drop_identical_copies(
    images: Sequence[SourceFile],
) -> tuple[list[SourceFile], list[tuple[SourceFile, SourceFile]]]:
    """Leaves out files that equal another one in name and contents.

    Returns:
        tuple[list[SourceFile], list[tuple[SourceFile, SourceFile]]]: The
        images that remain, and (copy, kept) for each one left out.
    """
    by_name: dict[str, list[SourceFile]] = defaultdict(list)
    for image in images:
        by_name[image.path.name].append(image)
    copies: dict[SourceFile, SourceFile] = {}
    for same_name in by_name.values():
        if len(same_name) == 1:
            continue
        first_with: dict[bytes, SourceFile] = {}
        for image in same_name:
            # A file that cannot be read is reported when it is decoded.
            with suppress(OSError):
                data = image.path.read_bytes()
                kept = first_with.setdefault(sha256(data).digest(), image)
                if kept is not image:
                    copies[image] = kept
    kept_images = [image for image in images if image not in copies]
    return kept_images, list(copies.items())


def name_images(
    images: Sequence[SourceFile], folder: Path
) -> tuple[dict[SourceFile, str], list[tuple[SourceFile, str]]]:
    """Gives each image the ``file_name`` it has in the conversion.

    That is its own name, or, if it is already below ``folder``, the images of
    the conversion, its path there. Different images of one name all get their
    parent folders in front, as many as it takes: ``crazing__1.jpg``. Where
    even these clash with a name, ``_2`` and so on is behind.

    Returns:
        tuple[dict[SourceFile, str], list[tuple[SourceFile, str]]]: Name of
        each image, and (image, new name) of those that were renamed.
    """
    names: dict[SourceFile, str] = {}
    parts: dict[SourceFile, tuple[str, ...]] = {}
    for image in images:
        path = image.path.parent.resolve() / image.path.name
        if path.is_relative_to(folder.resolve()):
            names[image] = path.relative_to(folder.resolve()).as_posix()
        else:
            names[image] = image.path.name
            parts[image] = Path(image.label).parts
    renamed: dict[SourceFile, str] = {}
    for depth in range(2, max(map(len, parts.values()), default=0) + 1):
        users = Counter(names.values())
        for image, inner in parts.items():
            if users[names[image]] > 1:
                names[image] = '__'.join(inner[-depth:])
                renamed[image] = names[image]
    taken = {names[image] for image in names.keys() - parts.keys()}
    for image in parts:
        name = names[image]
        stem, number = PurePosixPath(name), 1
        while names[image] in taken:
            number += 1
            names[image] = f'{stem.stem}_{number}{stem.suffix}'
            renamed[image] = names[image]
        taken.add(names[image])
    return names, list(renamed.items())
