"""A detector that looks at large images slice by slice."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import Tensor

from ..utils.checks import check_arguments
from ..utils.errors import InputError

# Pixels within which a box touches the edge of its slice.
_EDGE = 2.0
# What touches a cut may be a part of a defect: it has this share of its score
# when it is compared with boxes that are whole.
_CUT_PRIORITY = 0.5
# A part is dropped if a whole box of its class covers this share of it.
_COVERED = 0.7
# Boxes that are compared with all others at once: a large image has tens of
# thousands, and the memory of all pairs would be their square.
_ROWS = 256


@MODELS.register_module()
class SlicedTTAModel(BaseTTAModel):
    """Merges what a detector finds in the slices of an image.

    Boxes are moved to their place in the image and go through non-maximum
    suppression. A defect on a cut is seen whole in one slice and in part in
    the next: parts give way to whole boxes that cover them.

    Args:
        module (dict | nn.Module): The detector; its boxes have no masks.
        tta_cfg (Mapping): ``nms`` (of ``mmcv.ops.batched_nms``) and, if
            wanted, ``max_per_img`` (int), most boxes of an image. Without it
            there are as many as the detector gives in all slices.
        slices_per_step (int): Slices shown to the detector at a time, at
            least 1. Defaults to 8.

    Raises:
        ValueError: ``slices_per_step`` is out of range.
    """

    def __init__(
        self, *, tta_cfg: Mapping, slices_per_step: int = 8, **kwargs: Any
    ) -> None:
        check_arguments(
            locals(), slices_per_step=(slices_per_step >= 1, 'at least 1')
        )
        super().__init__(**kwargs)
        self.tta_cfg = tta_cfg
        self.slices_per_step = slices_per_step

    def test_step(self, data: dict) -> list[DetDataSample]:
        """Detections of a batch from :class:`SliceImage`.

        Args:
            data (dict): ``inputs`` and ``data_samples``, lists over slices
                of lists over images.

        Returns:
            list[DetDataSample]: One per image, in its coordinates.
        """
        found: list[list[DetDataSample]] = []
        for samples in zip(*data['data_samples'], strict=True):
            image = len(found)
            inputs = [views[image] for views in data['inputs']]
            slices: list[DetDataSample] = []
            for start in range(0, len(inputs), self.slices_per_step):
                chosen = slice(start, start + self.slices_per_step)
                batch = dict(
                    inputs=inputs[chosen], data_samples=list(samples[chosen])
                )
                slices += self.module.test_step(batch)
            found.append(slices)
        return self.merge_preds(found)

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[DetDataSample]]
    ) -> list[DetDataSample]:
        """Merges the slices of each image.

        Raises:
            ValueError: The detector makes masks.
        """
        return [self._merge(slices) for slices in data_samples_list]

    def _merge(self, slices: Sequence[DetDataSample]) -> DetDataSample:
        if 'masks' in slices[0].pred_instances:
            msg = 'slices are merged for boxes only; this detector makes masks'
            raise InputError(msg)
        boxes = torch.cat([_moved(found) for found in slices])
        cut = torch.cat([_is_cut(found) for found in slices])
        scores = torch.cat([found.pred_instances.scores for found in slices])
        labels = torch.cat([found.pred_instances.labels for found in slices])
        merged = slices[0]
        shape = merged.metainfo['full_shape']
        merged.set_metainfo(dict(ori_shape=shape, img_shape=shape))
        kept = torch.arange(len(boxes), device=boxes.device)
        if len(boxes):
            priority = torch.where(cut, scores * _CUT_PRIORITY, scores)
            kept = batched_nms(boxes, priority, labels, self.tta_cfg['nms'])[1]
            part = covered_parts(
                boxes[kept], priority[kept], labels[kept], cut[kept]
            )
            kept = kept[~part]
            order = scores[kept].argsort(descending=True, stable=True)
            kept = kept[order][: self.tta_cfg.get('max_per_img')]
        merged.pred_instances = InstanceData(
            bboxes=boxes[kept], scores=scores[kept], labels=labels[kept]
        )
        return merged


def covered_parts(
    boxes: Tensor, priority: Tensor, labels: Tensor, cut: Tensor
) -> Tensor:
    """Which boxes are parts of others.

    Args:
        boxes (Tensor): float (N, 4), x0, y0, x1, y1.
        priority (Tensor): float (N, ), a part gives way to a whole box of at
            least as much.
        labels (Tensor): int64 (N, ).
        cut (Tensor): bool (N, ), boxes that may be parts.

    Returns:
        Tensor: bool (N, ).
    """
    part = torch.zeros_like(cut)
    whole = boxes[~cut]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1).clamp(min=1e-6)
    for rows in cut.nonzero()[:, 0].split(_ROWS):
        low = torch.maximum(boxes[rows, None, :2], whole[None, :, :2])
        high = torch.minimum(boxes[rows, None, 2:], whole[None, :, 2:])
        inside = (high - low).clamp(min=0).prod(-1)
        covers = (
            (inside >= _COVERED * area[rows, None])
            & (labels[rows, None] == labels[~cut])
            & (priority[~cut] >= priority[rows, None])
        )
        part[rows] = covers.any(1)
    return part


def _moved(found: DetDataSample) -> Tensor:
    """Boxes in the coordinates of the whole image."""
    x, y = found.metainfo['slice_box'][:2]
    boxes = found.pred_instances.bboxes
    return boxes + boxes.new_tensor([x, y, x, y])


def _is_cut(found: DetDataSample) -> Tensor:
    """Boxes that touch an edge of their slice inside the image."""
    x, y, width, height = found.metainfo['slice_box']
    full_height, full_width = found.metainfo['full_shape']
    x0, y0, x1, y1 = found.pred_instances.bboxes.unbind(1)
    no = torch.zeros_like(x0, dtype=torch.bool)
    return (
        (x0 < _EDGE if x > 0 else no)
        | (y0 < _EDGE if y > 0 else no)
        | (x1 > width - _EDGE if x + width < full_width else no)
        | (y1 > height - _EDGE if y + height < full_height else no)
    )
