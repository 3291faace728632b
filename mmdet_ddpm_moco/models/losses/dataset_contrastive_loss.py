"""The dataset-level contrastive loss of DDPM-MoCo (arXiv 2407.03332).

MoCo's InfoNCE has one positive per query, the key of its own second view.
Here all keys of the batch from the query's *dataset* are positives. What a
dataset is depends on the data: a class of defects, a production line, or a
single image, in which case this is InfoNCE again.
"""

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ...utils.checks import check_arguments
from ...utils.errors import InputError


def dataset_contrastive_loss(
    query: Tensor,
    keys: Tensor,
    dataset_ids: Tensor,
    image_ids: Tensor,
    *,
    queue: Tensor,
    queue_dataset_ids: Tensor,
    queue_image_ids: Tensor,
    queue_mask: Tensor,
    positive_idx: Tensor | None = None,
    temperature: float = 0.07,
    instance_weight: float = 0.0,
    average_over_datasets: bool = False,
    mask_same_dataset: bool = False,
    mask_same_image: bool = False,
    check_negatives: bool = True,
) -> Tensor:
    r"""Computes the dataset-level contrastive loss.

    The loss of DDPM-MoCo (arXiv 2407.03332), as in its research code, on
    InfoNCE (1807.03748, eq. 4; 1911.05722, eq. 1). With queries q, keys k,
    queued keys n, d(i) the dataset of sample i and P(i) the keys of the
    batch with d(j) = d(i):

    .. math::
        s_i = \frac{1}{|P(i)|} \sum_{j \in P(i)} q_i \cdot k_j, \qquad
        L_i = -\log \frac{e^{s_i/\tau}}
                         {e^{s_i/\tau} + \sum_m e^{q_i \cdot n_m/\tau}}

    ``instance_weight`` w gives :math:`(1-w) L + w L'`, where L' is MoCo's
    InfoNCE, the same with P(i) = {i}. As long as the queue is empty, the
    batch's keys of other images are the negatives.

    Under autocast too, it is computed in at least float32. Nothing but the
    check reads values back from the device.

    Args:
        query (Tensor): Unit vectors, float (B, D).
        keys (Tensor): Unit vectors, float (M, D) with M >= B: those of this
            process or of all processes; usually detached.
        dataset_ids (Tensor): Dataset of each key, int64 (M, ).
        image_ids (Tensor): Image of each key, int64 (M, ). Crops of one
            image share it.
        queue (Tensor): Earlier keys, unit vectors, float (D, K).
        queue_dataset_ids (Tensor): int64 (K, ).
        queue_image_ids (Tensor): int64 (K, ).
        queue_mask (Tensor): Which of its keys are negatives, bool (K, ).
        positive_idx (Tensor, optional): Index into ``keys`` of each query's
            own second view, int64 (B, ). None means that M = B and key i
            belongs to query i. Defaults to None.
        temperature (float): :math:`\tau` > 0. Defaults to 0.07.
        instance_weight (float): Weight w of the instance term, in [0, 1].
            Defaults to 0, the paper's form; 1 is MoCo.
        average_over_datasets (bool): Average the logits of the n-th samples
            of all datasets of the batch before the cross-entropy, as the
            paper's research code does. Masked logits are left out of the
            average. Only in the dataset term. Defaults to False.
        mask_same_dataset (bool): Mask negatives of the query's own dataset
            in the dataset term, where they are false negatives. The instance
            term needs them to separate images of one class. Defaults to
            False.
        mask_same_image (bool): Mask negatives of the query's own image,
            which are false negatives: a small data set passes through the
            queue more than once. Defaults to False.
        check_negatives (bool): Raise if a query has no negative. This
            synchronizes with the device. Defaults to True.

    Returns:
        Tensor: Scalar, at least 0.

    Raises:
        ValueError: An option out of range, M != B without ``positive_idx``, or
            a query without any negative.
    """
    _check_options(temperature, instance_weight)
    if positive_idx is None:
        if len(query) != len(keys):
            msg = (
                f'{len(query)} queries and {len(keys)} keys: give '
                "positive_idx, the index of each query's own key"
            )
            raise InputError(msg)
        positive_idx = torch.arange(len(query), device=query.device)
    in_batch = _exact_matmul(query, keys.T) / temperature  # (B, M)
    in_queue = _exact_matmul(query, queue) / temperature  # (B, K)
    negatives = torch.cat((in_queue, in_batch), dim=1)  # (B, K + M)

    query_dataset = dataset_ids[positive_idx][:, None]  # (B, 1)
    query_image = image_ids[positive_idx][:, None]  # (B, 1)
    from_queue = queue_mask.expand_as(in_queue)
    if mask_same_image:
        from_queue = from_queue & (queue_image_ids != query_image)
    from_batch = (image_ids != query_image) & ~queue_mask.any()
    mask = torch.cat((from_queue, from_batch), dim=1)  # (B, K + M) bool
    dataset_mask = mask
    if mask_same_dataset:
        other = torch.cat((queue_dataset_ids, dataset_ids)) != query_dataset
        dataset_mask = mask & other
    if check_negatives:
        # Negatives of the dataset term are negatives of the instance term.
        _check_negatives(
            mask if instance_weight == 1 else dataset_mask,
            queue_mask,
            mask_same_dataset and instance_weight < 1,
        )

    loss = in_queue.new_zeros(())
    if instance_weight < 1:
        same = dataset_ids == query_dataset  # (B, M) bool
        positive = (in_batch * same).sum(1) / same.sum(1)
        rank = None
        if average_over_datasets:
            # How many earlier queries share each query's dataset, (B, ).
            rank = (query_dataset == query_dataset.T).tril(-1).sum(1)
        term = _cross_entropy(positive, negatives, dataset_mask, rank)
        loss = loss + (1 - instance_weight) * term
    if instance_weight > 0:
        positive = in_batch.gather(1, positive_idx[:, None])[:, 0]
        term = _cross_entropy(positive, negatives, mask)
        loss = loss + instance_weight * term
    return loss


@MODELS.register_module()
class DatasetContrastiveLoss(nn.Module):
    """:func:`dataset_contrastive_loss` with fixed options.

    Args:
        temperature (float): Defaults to 0.07.
        instance_weight (float): Defaults to 0.
        average_over_datasets (bool): Defaults to False.
        mask_same_dataset (bool): Defaults to False.
        mask_same_image (bool): Defaults to False.

    Raises:
        ValueError: ``temperature`` or ``instance_weight`` out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        instance_weight: float = 0.0,
        average_over_datasets: bool = False,
        mask_same_dataset: bool = False,
        mask_same_image: bool = False,
    ) -> None:
        super().__init__()
        _check_options(temperature, instance_weight)
        self.options: dict[str, Any] = dict(
            temperature=temperature,
            instance_weight=instance_weight,
            average_over_datasets=average_over_datasets,
            mask_same_dataset=mask_same_dataset,
            mask_same_image=mask_same_image,
        )

    def forward(self, *args: Tensor, **kwargs: Any) -> Tensor:
        """Computes the loss, see :func:`dataset_contrastive_loss`."""
        return dataset_contrastive_loss(*args, **{**kwargs, **self.options})

    def extra_repr(self) -> str:
        """Options, for printing the module."""
        return ', '.join(f'{k}={v}' for k, v in self.options.items())


def _exact_matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` in at least float32, also under autocast."""
    dtype = torch.promote_types(a.dtype, torch.float32)
    with torch.autocast(a.device.type, enabled=False):
        return a.to(dtype) @ b.to(dtype)


def _cross_entropy(
    positive: Tensor,
    negatives: Tensor,
    mask: Tensor,
    rank: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of each positive (B, ) against its negatives (B, N).

    Negatives outside the ``mask``, bool (B, N), are left out. Rows of one
    rank, int64 (B, ), are averaged first.
    """
    logits = torch.cat((positive[:, None], negatives), dim=1)
    mask = F.pad(mask, (1, 0), value=True)
    if rank is None:
        logits = logits.masked_fill(~mask, float('-inf'))
        return -logits.log_softmax(1)[:, 0].mean()
    logits, used = _average_by_rank(logits, mask, rank)
    return -(logits.log_softmax(1)[:, 0] * used).sum() / used.sum()


def _average_by_rank(
    logits: Tensor, mask: Tensor, rank: Tensor
) -> tuple[Tensor, Tensor]:
    """Averages the rows of each rank, without what the mask leaves out.

    Returns:
        tuple[Tensor, Tensor]: Logits (B, N), row r of rank r, and which rows
        are used, bool (B, ). B rows whatever the number of ranks, as
        counting them would synchronize with the device.
    """
    rows = torch.arange(len(logits), device=logits.device)
    member = (rows[:, None] == rank).to(logits.dtype)  # (rank, B)
    total = _exact_matmul(member, logits.masked_fill(~mask, 0))
    number = _exact_matmul(member, mask.to(logits.dtype))
    logits = (total / number.clamp(min=1)).masked_fill(
        number == 0, float('-inf')
    )
    used = number[:, 0] > 0
    # A finite logit in the unused rows keeps their gradient 0 and not nan.
    first = logits[:, :1].masked_fill(~used[:, None], 0)
    return torch.cat((first, logits[:, 1:]), dim=1), used


def _check_options(temperature: float, instance_weight: float) -> None:
    check_arguments(
        locals(),
        temperature=(temperature > 0, 'above 0'),
        instance_weight=(0 <= instance_weight <= 1, 'in [0, 1]'),
    )


def _check_negatives(
    mask: Tensor, queue_mask: Tensor, mask_same_dataset: bool
) -> None:
    without = int((~mask.any(1)).sum())
    if not without:
        return
    cure = 'use larger batches, of more than one image'
    if mask_same_dataset:
        cure += ' and dataset, or mask_same_dataset=False'
    msg = (
        f'{without} of {len(mask)} samples have no negative among the '
        f'{int(queue_mask.sum())} keys of the queue: {cure}'
    )
    raise InputError(msg)
