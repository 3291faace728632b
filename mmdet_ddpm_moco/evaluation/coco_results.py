"""Checks detections in COCO's results format before they are submitted.

A board reports a wrong file late, in words of its own, or not at all: an
image that is missing counts as one without defects.
"""

import contextlib
import copy
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pycocotools.coco import COCO

from ..utils.errors import InputError

Detection = Mapping[str, Any]


def check_images(images: Sequence[Mapping[str, Any]], source: str) -> None:
    """Checks the list of images that is submitted.

    Args:
        images (Sequence[Mapping]): COCO ``images``.
        source (str): Where they come from, for messages.

    Raises:
        ValueError: There are none, one lacks its id or name, or two share
            them.
    """
    if not images:
        msg = f'{source} has no images; give a list or folder that has some'
        raise InputError(msg)
    for key in ('id', 'file_name'):
        values = [image.get(key) for image in images]
        if None in values:
            number = values.index(None)
            msg = f'image {number} of {source} has no {key}; add it'
            raise InputError(msg)
        value, count = Counter(values).most_common(1)[0]
        if count > 1:
            msg = (
                f'{source} has the {key} {value!r} {count} times; each image '
                'needs one of its own'
            )
            raise InputError(msg)


def check_results(
    detections: Sequence[Detection],
    tested: Sequence[Any],
    images: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
) -> None:
    """Checks COCO results against the list they are of, and by ``loadRes``.

    Args:
        detections (Sequence[Mapping]): ``image_id``, ``category_id``,
            ``bbox`` (x, y, width, height in pixels), ``score`` and perhaps
            ``segmentation``, a compressed RLE of the size of the image.
        tested (Sequence): Ids of the images that the detector saw; an image
            without detections is not among the detections.
        images (Sequence[Mapping]): COCO ``images`` to be submitted.
        categories (Sequence[Mapping]): COCO ``categories``.

    Raises:
        ValueError: Images are missing, repeated or unknown, there is no
            detection, or one is malformed.
    """
    _check_tested(tested, {image['id'] for image in images})
    if not detections:
        msg = (
            'no detection in any image, and COCO.loadRes reads no empty '
            'list; lower the score_thr in model.test_cfg, or train longer'
        )
        raise InputError(msg)
    sizes = {i['id']: (i['height'], i['width']) for i in images}
    known = {category['id'] for category in categories}
    for number, detection in enumerate(detections):
        wrong = _fault(detection, sizes, known)
        if wrong:
            name = f'detection {number} of image {detection.get("image_id")}'
            msg = f'{name} {wrong}; nothing was written'
            raise InputError(msg)
    _check_loads(detections, images, categories)


def _check_tested(tested: Sequence[Any], asked: set) -> None:
    counts = Counter(tested)
    repeated = [image for image, count in counts.items() if count > 1]
    for found, what in (
        (asked - set(counts), 'were not tested'),
        (set(counts) - asked, 'are not in the list'),
        (repeated, 'were tested several times'),
    ):
        if found:
            msg = (
                f'{len(found)} of {len(asked)} images {what}, one has '
                f'the id {min(found, key=str)}; nothing was written'
            )
            raise InputError(msg)


def _fault(detection: Detection, sizes: Mapping, known: set) -> str | None:
    """What is wrong with a detection, None if nothing is."""
    missing = {'image_id', 'category_id', 'bbox', 'score'} - set(detection)
    if missing:
        return f'has no {", ".join(sorted(missing))}'
    if detection['image_id'] not in sizes:
        return 'is of an image that is not in the list'
    if detection['category_id'] not in known:
        return f'is of the unknown category {detection["category_id"]}'
    numbers = [*detection['bbox'], detection['score']]
    if len(numbers) != 5:
        return f'has a bbox of {len(numbers) - 1} numbers, not 4'
    if not all(math.isfinite(number) for number in numbers):
        return f'holds NaN or infinity: {numbers}'
    if min(detection['bbox'][2:]) < 0:
        return f'has a box of negative extent: {detection["bbox"]}'
    mask = detection.get('segmentation')
    if mask is None:
        return None
    size = sizes[detection['image_id']]
    if tuple(mask['size']) != size:
        return f'has a mask of {mask["size"]}, its image is {[*size]}'
    return None


def _check_loads(
    detections: Sequence[Detection],
    images: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
) -> None:
    """Has pycocotools read them, as boards do."""
    coco = COCO()
    coco.dataset = dict(
        images=[*images], annotations=[], categories=[*categories]
    )
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        # It changes what it is given.
        found = coco.loadRes(copy.deepcopy([*detections]))
    assert len(found.anns) == len(detections)
