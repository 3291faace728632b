"""A detector that looks at an image and its flips."""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData

from ..evaluation.judge import Detections
from ..utils.errors import InputError
from .fusion import flip_boxes, fuse

# All that a detector gives is kept but for scores of 0: fusion divides by the
# sum of the scores of the boxes that it merges.
_MIN_SCORE = 1e-6


@MODELS.register_module()
class FusedTTAModel(BaseTTAModel):
    """Merges what a detector finds in the flips of an image.

    By weighted boxes fusion, see :func:`~.fusion.fuse`: boxes of several
    views become their mean, and what few views have found is less sure.
    mmdet's ``DetTTAModel`` keeps the surest box of each defect instead.

    Args:
        module (dict | nn.Module): The detector; its boxes have no masks.
        max_per_img (int): Most boxes of an image. Defaults to 100.
        data_preprocessor (dict, optional): See ``BaseTTAModel``.
    """

    def __init__(
        self,
        module: dict | torch.nn.Module,
        max_per_img: int = 100,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(module, data_preprocessor)
        self.max_per_img = max_per_img

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[DetDataSample]]
    ) -> list[DetDataSample]:
        """Merges the views of each image.

        Args:
            data_samples_list (Sequence[Sequence[DetDataSample]]): By image
                and view; the first view is not flipped.

        Returns:
            list[DetDataSample]: The first view of each image, with what all
            of them have found.

        Raises:
            ValueError: The detector makes masks.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: Sequence[DetDataSample]) -> DetDataSample:
        merged = views[0]
        if 'masks' in merged.pred_instances:
            msg = 'flips are merged for boxes only; this detector makes masks'
            raise InputError(msg)
        size = merged.metainfo['ori_shape'][:2]
        flipped_back = [_unflipped(view) for view in views]
        found = fuse(flipped_back, size, min_score=_MIN_SCORE)
        boxes = merged.pred_instances.bboxes
        kept = slice(self.max_per_img)
        merged.pred_instances = InstanceData(
            bboxes=boxes.new_tensor(found.boxes[kept]),
            scores=boxes.new_tensor(found.scores[kept]),
            labels=torch.from_numpy(found.labels[kept]).to(boxes.device),
        )
        return merged


def _unflipped(view: DetDataSample) -> Detections:
    """What was found in a flip, in the coordinates of the image."""
    flip = view.metainfo['flip_direction'] if view.metainfo['flip'] else 'none'
    found = view.pred_instances
    boxes, scores, labels = (
        part.detach().cpu().numpy()
        for part in (found.bboxes, found.scores, found.labels)
    )
    size = view.metainfo['ori_shape'][:2]
    return Detections(flip_boxes(boxes, flip, *size), scores, labels)
