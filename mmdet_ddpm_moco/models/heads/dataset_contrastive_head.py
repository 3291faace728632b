"""The head of DatasetMoCo: scores queries against keys and the queue."""

from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor

from ..losses.dataset_contrastive_loss import (  # noqa: F401, registers it
    DatasetContrastiveLoss,
)


@MODELS.register_module()
class DatasetContrastiveHead(BaseModule):
    """Holds the loss module of dataset-level contrast.

    mmpretrain's ``ContrastiveHead`` takes finished logits, with one positive
    each. Which keys are positives is here a matter of the loss, so that this
    head hands it the vectors.

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

    def loss(
        self,
        query: Tensor,
        keys: Tensor,
        dataset_ids: Tensor,
        image_ids: Tensor,
        **kwargs: Tensor | bool | None,
    ) -> Tensor:
        """Computes the loss of the queries.

        Args:
            query (Tensor): Unit vectors, float (B, D).
            keys (Tensor): Unit vectors, float (M, D).
            dataset_ids (Tensor): Of the keys, int64 (M, ).
            image_ids (Tensor): Of the keys, int64 (M, ).
            **kwargs: The rest of the arguments of
                :func:`~mmdet_ddpm_moco.models.losses.\
dataset_contrastive_loss.dataset_contrastive_loss`.

        Returns:
            Tensor: Scalar.
        """
        return self.loss_module(query, keys, dataset_ids, image_ids, **kwargs)
