"""COCO annotations with all that mmdet and COCOeval need of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pycocotools import mask as mask_utils

from .errors import InputError


def complete_annotations(
    annotations: Sequence[Mapping[str, Any]], source: str | Path
) -> list[dict[str, Any]]:
    """Adds what mmdet and COCOeval need and other tools may leave out.

    Args:
        annotations (Sequence[Mapping]): COCO ``annotations``; not changed.
        source (str | Path): Where they come from, for messages.

    Returns:
        list[dict]: The same with ``bbox``, where it is missing that of the
        ``segmentation``, ``area`` and ``iscrowd``. Their ids are numbers
        from 1.

    Raises:
        ValueError: One has no image, no category or neither box nor
            segmentation.
    """
    completed = []
    # Numbered anew: COCOeval matches no box whose id is 0.
    for number, found in enumerate(annotations, 1):
        name = f'annotation {found.get("id", f"no. {number}")} of {source}'
        for key in ('image_id', 'category_id'):
            if found.get(key) is None:
                msg = f'{name} has no {key}; add it'
                raise InputError(msg)
        box = found.get('bbox') or _box_around(found.get('segmentation'))
        if not box or len(box) != 4:
            msg = (
                f'{name} has neither a bbox of four numbers nor a '
                'segmentation around which one could be drawn; add one'
            )
            raise InputError(msg)
        given = {k: v for k, v in found.items() if v is not None}
        known = dict(iscrowd=0, area=box[2] * box[3]) | given
        completed.append(dict(known, bbox=box, id=number))
    return completed


def _box_around(segmentation: Any) -> list[float] | None:
    """Box around polygons or an RLE mask, None if that is neither."""
    try:
        if isinstance(segmentation, dict):
            rle = segmentation
            if isinstance(rle['counts'], list):
                rle = mask_utils.frPyObjects(rle, *rle['size'])
            return mask_utils.toBbox(rle).tolist()
        # The outline itself: masks of polygons are rounded to pixels.
        points = [float(value) for part in segmentation for value in part]
        columns, rows = points[::2], points[1::2]
        left, top = min(columns), min(rows)
        return [left, top, max(columns) - left, max(rows) - top]
    except (KeyError, TypeError, ValueError):
        return None
