"""The head of DatasetMoCo, which holds its loss."""

from typing import Any

from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor

from ..losses.dataset_contrastive_loss import (  # noqa: F401, registers it
    DatasetContrastiveLoss,
)


@MODELS.register_module()
class DatasetContrastiveHead(BaseModule):
    """Passes queries, keys and queue to the loss.

    mmpretrain's ``ContrastiveHead`` computes logits with one positive each.
    Here the loss decides which keys are positives, so that it takes the
    vectors.

    Args:
        loss (dict): Config of the loss, such as
            ``dict(type='mmdet_ddpm_moco.DatasetContrastiveLoss')``.
        init_cfg (dict | list[dict], optional): Defaults to None.
    """

    def __init__(
        self, loss: dict, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.loss_module = MODELS.build(loss)

    def loss(self, *args: Tensor, **kwargs: Any) -> Tensor:
        """Computes the loss, a scalar.

        Takes the arguments of :class:`DatasetContrastiveLoss`.
        """
        return self.loss_module(*args, **kwargs)
