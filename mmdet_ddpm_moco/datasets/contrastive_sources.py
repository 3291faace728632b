"""Where the samples of the contrastive stage come from."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from .compositing import Box
from .labelled_images import BACKGROUND, LabelledImage, LabelledImages

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')

# What each kind of source must say and may say, by (names a folder,
# dataset_ids).
_OPTIONS = {
    (True, 'alone'): ({'img_folder'}, set()),
    (False, 'alone'): ({'ann_file', 'img_prefix'}, set()),
    (False, 'class'): (
        {'ann_file', 'img_prefix'},
        {'crop', 'context', 'min_size'},
    ),
}


@dataclass(frozen=True)
class Sample:
    """One image, or a part of one.

    Attributes:
        path (Path): The image file.
        crop (tuple[int, int, int, int] | None): ``(x, y, w, h)`` in pixels;
            None is the whole image.
        dataset (str | None): Name of the class; None where the image stands
            alone.
    """

    path: Path
    crop: Box | None = None
    dataset: str | None = None


def read_source(source: dict) -> tuple[list[Sample], tuple[str, ...]]:
    """Lists the samples of one source.

    Args:
        source (dict): As :class:`ContrastiveDataset` describes it.

    Returns:
        tuple[list[Sample], tuple[str, ...]]: The samples, and the names of
        the source's classes, those without samples among them.

    Raises:
        FileNotFoundError: A json, a folder or an image is missing.
        ValueError: An unknown or missing option, or one out of range.
    """
    source = dict(source)
    dataset_ids = source.pop('dataset_ids', None)
    repeat = source.pop('repeat', 1)
    kind = ('img_folder' in source, dataset_ids)
    must, may = _OPTIONS.get(kind, (set(), set()))
    if not must or not must <= set(source) <= must | may:
        msg = (
            f'cannot read the source {source}, dataset_ids={dataset_ids!r}: '
            "a source has ann_file and img_prefix with dataset_ids='alone' "
            "or 'class' (and crop, context, min_size), or img_folder with "
            "dataset_ids='alone'"
        )
        raise ValueError(msg)
    if repeat < 1:
        msg = f'repeat of a source must be at least 1, got {repeat}'
        raise ValueError(msg)
    if dataset_ids == 'class':
        samples, classes = _by_class(**source)
    elif 'img_folder' in source:
        samples, classes = _folder(**source), ()
    else:
        samples, classes = _whole_images(**source), ()
    return samples * repeat, classes


def enlarged_box(
    box: Box, image_size: tuple[int, int], context: float, min_size: int
) -> Box:
    """Enlarges a box around its centre, and moves it to stay in the image.

    Args:
        box (tuple[int, int, int, int]): ``(x, y, w, h)`` in pixels, inside
            the image.
        image_size (tuple[int, int]): ``(width, height)`` in pixels.
        context (float): What is added to each side, as a share of it; not
            negative.
        min_size (int): Shortest side of the result in pixels, where the
            image is that large.

    Returns:
        tuple[int, int, int, int]: ``(x, y, w, h)``; holds ``box``.
    """
    starts, lengths = [], []
    for start, length, limit in zip(box[:2], box[2:], image_size, strict=True):
        new = max(math.ceil(length * (1 + context)), min_size)
        new = min(new, limit)
        first = start + (length - new) // 2
        starts.append(min(max(first, 0), limit - new))
        lengths.append(new)
    return (*starts, *lengths)


def _by_class(
    ann_file: str,
    img_prefix: str,
    crop: bool = True,
    context: float = 0.5,
    min_size: int = 32,
) -> tuple[list[Sample], tuple[str, ...]]:
    if context < 0 or min_size < 1:
        msg = (
            f'context must be at least 0 and min_size at least 1, got '
            f'{context} and {min_size}'
        )
        raise ValueError(msg)
    labelled = LabelledImages(ann_file, img_prefix)
    _check_files([i.path for i in labelled.images], ann_file, img_prefix)
    classes = labelled.classes
    if not crop:
        return [_window(i, classes) for i in labelled.images], classes
    return [
        Sample(
            image.path,
            enlarged_box(defect.box, image.size, context, min_size),
            classes[defect.label],
        )
        for image in labelled.images
        for defect in image.defects
    ], classes


def _window(image: LabelledImage, classes: tuple[str, ...]) -> Sample:
    if not image.defects:
        return Sample(image.path, dataset=BACKGROUND)
    largest = max(image.defects, key=lambda d: d.box[2] * d.box[3])
    return Sample(image.path, dataset=classes[largest.label])


def _whole_images(ann_file: str, img_prefix: str) -> list[Sample]:
    if not Path(ann_file).is_file():
        msg = f'no annotations at {ann_file}, a source of contrast'
        raise FileNotFoundError(msg)
    images = json.loads(Path(ann_file).read_text(encoding='utf-8'))['images']
    paths = [Path(img_prefix) / image['file_name'] for image in images]
    _check_files(paths, ann_file, img_prefix)
    return [Sample(path) for path in paths]


def _folder(img_folder: str) -> list[Sample]:
    paths = sorted(
        path
        for path in Path(img_folder).rglob('*')
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not paths:
        msg = (
            f'no image ({", ".join(IMAGE_SUFFIXES)}) in {img_folder} or '
            'below it'
        )
        raise FileNotFoundError(msg)
    return [Sample(path) for path in paths]


def _check_files(paths: list[Path], ann_file: str, img_prefix: str) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        msg = (
            f'{len(missing)} of {len(paths)} images of {ann_file} are not '
            f'where img_prefix={img_prefix!r} puts them, {missing[0]} the '
            'first'
        )
        raise FileNotFoundError(msg)
