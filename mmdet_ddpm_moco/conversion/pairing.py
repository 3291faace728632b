"""Pairs images with annotation files, and names the images."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path

from .layout import SourceFile

# From the closest relation to the widest. The last one repairs copies in
# which an image and its annotation are in different splits.
_RELATIONS: tuple[Callable[[SourceFile], Hashable], ...] = (
    lambda file: (file.path.stem, file.kind, file.root, file.folder),
    lambda file: (file.path.stem, file.kind, file.root),
    lambda file: (file.path.stem, file.kind),
)


def pair_by_stem(
    images: Sequence[SourceFile], annotations: Sequence[SourceFile]
) -> dict[SourceFile, SourceFile]:
    """Pairs images and annotation files of the same stem.

    Files of the same split and sub-folder are paired first, then those of the
    same split, then any, but none of different kinds. In each step a pair is
    made only where it is the only one possible: nothing is guessed.

    Returns:
        dict[SourceFile, SourceFile]: Annotation file of each paired image.
    """
    pairs: dict[SourceFile, SourceFile] = {}
    free_images, free_files = list(images), list(annotations)
    for relation in _RELATIONS:
        by_key: dict[Hashable, tuple[list, list]]
        by_key = defaultdict(lambda: ([], []))
        for image in free_images:
            by_key[relation(image)][0].append(image)
        for file in free_files:
            by_key[relation(file)][1].append(file)
        for candidates, files in by_key.values():
            if len(candidates) == len(files) == 1:
                pairs[candidates[0]] = files[0]
        taken = set(pairs.values())
        free_images = [image for image in free_images if image not in pairs]
        free_files = [file for file in free_files if file not in taken]
    return pairs


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
                kept = first_with.setdefault(image.path.read_bytes(), image)
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
    parent folders in front, as many as it takes: ``crazing__1.jpg``.

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
    depth = 1
    while len(set(names.values())) < len(names):
        depth += 1
        users = Counter(names.values())
        for image, inner in parts.items():
            if users[names[image]] > 1:
                names[image] = '__'.join(inner[-depth:])
                renamed[image] = names[image]
    return names, list(renamed.items())
