"""Builds the contents of COCO json files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmdet_ddpm_moco.datasets.conversion.boxes import Box


@dataclass(frozen=True)
class ImageRecord:
    """An image with the ids it has in every json of a conversion.

    Attributes:
        id (int): Id of the image, from 1.
        file_name (str): Path below the folder of images.
        width (int): Width in pixels.
        height (int): Height in pixels.
        group (int): Id of the first image of its near-duplicate group, its
            own id if it is alone.
        boxes (tuple[Box, ...]): Its boxes.
        first_box_id (int): Id of its first box; the next ones count on.
    """

    id: int
    file_name: str
    width: int
    height: int
    group: int
    boxes: tuple[Box, ...]
    first_box_id: int


def to_coco(
    records: Sequence[ImageRecord],
    classes: Sequence[str],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    """Builds the contents of one COCO json.

    Args:
        records (Sequence[ImageRecord]): Images to list.
        classes (Sequence[str]): Classes in the order of their ids, from 1.
        info (Mapping[str, Any]): The ``info`` section.

    Returns:
        dict[str, Any]: info, images, annotations and categories.
    """
    ids = {name: index for index, name in enumerate(classes, start=1)}
    return dict(
        info=dict(info),
        images=[
            dict(
                id=record.id,
                file_name=record.file_name,
                width=record.width,
                height=record.height,
                group=record.group,
            )
            for record in records
        ],
        annotations=[
            dict(
                id=record.first_box_id + offset,
                image_id=record.id,
                category_id=ids[box.name],
                bbox=list(box.xywh),
                area=box.area,
                iscrowd=0,
            )
            for record in records
            for offset, box in enumerate(record.boxes)
        ],
        categories=[dict(id=ids[name], name=name) for name in classes],
    )
