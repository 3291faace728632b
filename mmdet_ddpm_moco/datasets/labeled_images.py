"""A COCO json of labeled images, for generator, synthesis and evaluation."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..bank.compositing import Box
from ..utils.checks import check_annotations, refuse_damaged
from ..utils.errors import InputError, MissingFileError
from .window_geometry import outer_box

BACKGROUND = 'background'

# Size of the cache of decoded images; further ones are read each time.
CACHE_BYTES = 256 * 2**20

# Mean difference of the channels, in gray levels, of an image that counts as
# gray at most: not 0, as JPEG adds a little.
_GRAY = 1


@dataclass(frozen=True)
class Defect:
    """One annotation."""

    ann_id: int  # in the json
    label: int  # index of its class in LabeledImages.classes
    box: Box  # inside the image
    segmentation: Any = field(default=None, compare=False)  # as in the json
    # How surely detectors that did not see it find it, in [0, 1].
    found: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class LabeledImage:
    """One image and its annotations."""

    image_id: int  # in the json
    file_name: str  # as in the json
    path: Path
    size: tuple[int, int]  # (width, height)
    defects: tuple[Defect, ...]
    crowds: tuple[Box, ...] = ()  # boxes of its crowd regions
    pseudo_labeled: bool = False  # by detectors, which miss defects

    @property
    def occupied(self) -> list[Box]:
        """Boxes that are not defect-free: of defects and of crowds."""
        return [*(d.box for d in self.defects), *self.crowds]

    def mask(self, defect: Defect) -> np.ndarray | None:
        """Instance mask, bool (height, width); None if there is none.

        Polygons of less than three points are no mask.
        """
        rle = defect.segmentation
        if isinstance(rle, list):
            rle = [p for p in rle if len(p) >= 6 and len(p) % 2 == 0]
        if not rle:
            return None
        from pycocotools import mask as coco_mask

        w, h = self.size
        if isinstance(rle, list) or isinstance(rle['counts'], list):
            rle = coco_mask.frPyObjects(rle, h, w)
            if isinstance(rle, list):
                rle = coco_mask.merge(rle)
        return coco_mask.decode(rle).astype(bool)


class LabeledImages:
    """Labeled images of a COCO json.

    Boxes are rounded outwards to whole pixels and clipped; crowd regions,
    boxes without area and annotations of images that are not listed are left
    out.

    Args:
        ann_file (str | Path): COCO json.
        img_prefix (str | Path): Folder that its file names start from.
        channels (int): Channels an image is read with, 1 (gray) or 3 (BGR).

    Raises:
        FileNotFoundError: The json is missing.
        ValueError: It has no annotation, or is damaged.
    """

    def __init__(
        self, ann_file: str | Path, img_prefix: str | Path, channels: int = 1
    ) -> None:
        check_annotations(ann_file)
        self.channels = channels
        self._colors_known = channels != 1
        self._cache: dict[int, np.ndarray] = {}
        self._cache_left = CACHE_BYTES
        with refuse_damaged(ann_file):
            data = json.loads(Path(ann_file).read_text(encoding='utf-8'))
            self.classes, self.images = _parse(data, Path(img_prefix))
        if not any(image.defects for image in self.images):
            msg = f'{ann_file} has no annotated defect to learn from'
            raise InputError(msg)
        # Annotations by class, as (image index, defect).
        self.by_class: list[list[tuple[int, Defect]]] = [
            [] for _ in self.classes
        ]
        for index, image in enumerate(self.images):
            for defect in image.defects:
                self.by_class[defect.label].append((index, defect))

    @property
    def present(self) -> list[int]:
        """Labels of the classes that have at least one annotation."""
        return [i for i, found in enumerate(self.by_class) if found]

    def check_colors(self) -> None:
        """Refuses color images that would be read as gray.

        A generator of gray windows would leave gray patches in them. One
        image is read, when this is first called.

        Raises:
            ValueError: The first image with a defect is a color image, and
                ``channels`` is 1.
        """
        if self._colors_known:
            return
        path = next(i.path for i in self.images if i.defects)
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            return  # told when it is read
        if np.abs(np.diff(pixels.astype(np.int16))).mean() > _GRAY:
            msg = (
                f'{path} is a color image, read with channels=1; set '
                'channels=3 in the model and in its data set, and train the '
                'generator so'
            )
            raise InputError(msg)
        self._colors_known = True

    def read(self, index: int) -> np.ndarray:
        """Pixels of an image: uint8 (H, W, channels). Not to be modified."""
        if index in self._cache:
            return self._cache[index]
        image = self.images[index]
        gray = self.channels == 1
        pixels = cv2.imread(
            str(image.path), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
        )
        if pixels is None:
            msg = f'no readable image at {image.path}'
            raise MissingFileError(msg)
        if pixels.shape[1::-1] != image.size:
            msg = (
                f'{image.path} is {pixels.shape[1]}x{pixels.shape[0]} '
                f'pixels, in its annotations {image.size[0]}x'
                f'{image.size[1]}'
            )
            raise InputError(msg)
        pixels = pixels.reshape(*pixels.shape[:2], self.channels)
        if self._cache_left >= pixels.nbytes:
            self._cache[index] = pixels
            self._cache_left -= pixels.nbytes
        return pixels


def _parse(
    data: dict[str, Any], img_prefix: Path
) -> tuple[tuple[str, ...], tuple[LabeledImage, ...]]:
    """Class names and images of a COCO json."""
    categories = sorted(data['categories'], key=lambda c: c['id'])
    labels = {c['id']: i for i, c in enumerate(categories)}
    defects: dict[int, list[Defect]] = defaultdict(list)
    crowds: dict[int, list[Box]] = defaultdict(list)
    sizes = {i['id']: (i['width'], i['height']) for i in data['images']}
    for ann in data['annotations']:
        if ann['image_id'] not in sizes:
            continue  # mmdet leaves them out, too
        x, y, w, h = ann['bbox']
        box = outer_box((x, y, x + w, y + h), sizes[ann['image_id']])
        if not box[2] or not box[3]:
            continue
        if ann.get('iscrowd'):
            crowds[ann['image_id']].append(box)
            continue
        label, shape = labels[ann['category_id']], ann.get('segmentation')
        defect = Defect(ann['id'], label, box, shape, ann.get('found'))
        defects[ann['image_id']].append(defect)
    images = tuple(
        LabeledImage(
            i['id'],
            i['file_name'],
            img_prefix / i['file_name'],
            sizes[i['id']],
            tuple(defects[i['id']]),
            tuple(crowds[i['id']]),
            i.get('pseudo_labeled', False),
        )
        for i in data['images']
    )
    return tuple(c['name'] for c in categories), images
