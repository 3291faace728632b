"""Rotated boxes as mmrotate registers them, for tests without mmrotate."""

import torch
from mmdet.structures.bbox import (
    BaseBoxes,
    register_box,
    register_box_converter,
)


@register_box('rbox', force=True)
class RotatedBoxes(BaseBoxes):
    """Center x, y, width, height and angle in radians."""

    box_dim = 5

    # Abstract in BaseBoxes. The transform converts boxes and leaves all else
    # to their own class, so a call of these is a failure of the test.
    def _not_needed(self, *args, **kwargs):
        msg = 'the transform must only convert rotated boxes'
        raise AssertionError(msg)

    centers = areas = widths = heights = property(_not_needed)
    flip_ = translate_ = clip_ = rotate_ = project_ = rescale_ = _not_needed
    resize_ = is_inside = find_inside_points = create_masks = _not_needed
    overlaps = from_instance_masks = _not_needed


@register_box_converter('hbox', 'rbox', force=True)
def to_rotated(boxes):
    x0, y0, x1, y1 = boxes.unbind(-1)
    sides = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    return torch.stack([*sides, torch.zeros_like(x0)], -1)


@register_box_converter('rbox', 'hbox', force=True)
def to_horizontal(boxes):
    x, y, w, h, angle = boxes.unbind(-1)
    cos, sin = angle.cos().abs(), angle.sin().abs()
    half_w, half_h = (w * cos + h * sin) / 2, (w * sin + h * cos) / 2
    sides = x - half_w, y - half_h, x + half_w, y + half_h
    return torch.stack(sides, -1)
