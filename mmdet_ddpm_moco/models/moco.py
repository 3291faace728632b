"""MoCo with the dataset-level loss, which pretrains a backbone.

Apart from dataset ids, it differs from mmpretrain's MoCo in what small data
sets and single GPUs need: queue slots that were never filled are masked, the
batch size need not divide the queue's length, and on one process batch
normalization does not leak the positive.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_rank, get_world_size
from mmpretrain.models.selfsup import MoCo
from mmpretrain.models.utils import batch_shuffle_ddp, batch_unshuffle_ddp
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..utils.checks import check_arguments
from ..utils.errors import InputError
from .heads.dataset_contrastive_head import DatasetContrastiveHead
from .key_queue import KeyQueue
from .moving_average import ForeachEMA
from .split_batch_norm import split_batch_norm


@MODELS.register_module()
class DatasetMoCo(KeyQueue, MoCo):
    """MoCo v2 with the dataset-level contrastive loss of DDPM-MoCo.

    DDPM-MoCo: arXiv 2407.03332; MoCo: 1911.05722, algorithm 1; MoCo v2, with
    an MLP projector: 2003.04297. All state is in weights and persistent
    buffers, so that a resumed run goes on with it, see :class:`KeyQueue`.

    Args:
        backbone (dict): Config of the backbone; one feature map.
        neck (dict): Config of the projector to ``feat_dim`` values.
        head (dict): Config of a :class:`DatasetContrastiveHead`.
        queue_len (int): Number K of keys kept, those of the current batch
            included. Defaults to 8192.
        feat_dim (int): Length D of the keys. Defaults to 128.
        momentum (float): Weight of the *query* encoder in the update of the
            key encoder (MoCo, eq. 2), in (0, 1), which is mmpretrain's
            convention: 0.001 is the paper's m = 0.999. Defaults to 0.001.
        bn_splits (int): On one process the key encoder normalizes the batch
            in this many random groups, of at least two images, each by its
            own statistics. It replaces MoCo's shuffled batch normalization
            (section 3.3): with 1 query and key are normalized by the same
            images, which leaks the positive. Defaults to 8.
        channels_last (bool): Keep the weights of the convolutions in this
            layout, which is faster on CPUs and, in mixed precision, on
            GPUs. Defaults to True.
        symmetric (bool): Each view is both query and key: the loss is the
            mean over both directions, and the keys of both views enter the
            queue, which then covers half as many steps, as in the symmetric
            form of the MoCo authors' CIFAR-10 demo (which sums). Costs
            twice the time. Defaults to False: the first view is the query.
        end_momentum (float, optional): Value in [0, momentum] to which
            ``momentum`` decays over the training, by half a cosine wave. 0
            is the schedule of BYOL (arXiv 2006.07733) and MoCo v3
            (2104.02057). Defaults to None, no schedule.
        data_preprocessor (dict, optional): Defaults to None, mmpretrain's
            ``SelfSupDataPreprocessor``.
        init_cfg (dict | list[dict], optional): Defaults to None.

    Raises:
        ValueError: ``queue_len``, ``feat_dim`` or ``bn_splits`` below 1, or
            ``momentum`` or ``end_momentum`` out of range.
    """

    backbone: nn.Module
    neck: nn.Module
    head: DatasetContrastiveHead
    encoder_k: ForeachEMA

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        queue_len: int = 8192,
        feat_dim: int = 128,
        momentum: float = 0.001,
        bn_splits: int = 8,
        channels_last: bool = True,
        symmetric: bool = False,
        end_momentum: float | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        check_arguments(
            locals(),
            queue_len=(queue_len >= 1, 'at least 1'),
            feat_dim=(feat_dim >= 1, 'at least 1'),
            bn_splits=(bn_splits >= 1, 'at least 1'),
            momentum=(0 < momentum < 1, 'in (0, 1)'),
            end_momentum=(
                end_momentum is None or 0 <= end_momentum <= momentum,
                f'in [0, momentum={momentum}]',
            ),
        )
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            queue_len=queue_len,
            feat_dim=feat_dim,
            momentum=momentum,
            # The host goes on while a batch is copied to the GPU.
            data_preprocessor={
                'non_blocking': True,
                **(data_preprocessor or {}),
            },
            init_cfg=init_cfg,
        )
        self._in_channels = neck.get('in_channels')
        self.keys_per_sample = 2 if symmetric else 1
        self.encoder_k = ForeachEMA(
            nn.Sequential(self.backbone, self.neck),
            momentum=momentum,
            end_momentum=end_momentum,
        )
        split_batch_norm(self.encoder_k, bn_splits)
        if channels_last:
            self.to(memory_format=torch.channels_last)
        self._register_ids()
        # Of the last batch, what the loss took beside the embeddings.
        self._contrasted: dict[str, Tensor] = {}

    def loss(
        self, inputs: list[Tensor], data_samples: list[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """Computes the loss of a batch and adds its keys to the queue.

        Args:
            inputs (list[Tensor]): Two views, each float (B, 3, H, W).
            data_samples (list[DataSample]): B samples with ints
                ``dataset_id`` and ``image_id``.
            **kwargs: Ignored.

        Returns:
            dict[str, Tensor]: ``loss``, a scalar.

        Raises:
            ValueError: A data sample without the ids, a sample without any
                negative, or a backbone whose output does not fit.
        """
        ids = _read_ids(data_samples)
        # With both directions, view 0 is the key of query 1.
        directions = ((0, 1), (1, 0))[: self.keys_per_sample]
        queries = [self._encode_queries(inputs[q]) for q, _ in directions]
        with torch.no_grad():
            self.encoder_k.update_parameters(
                nn.Sequential(self.backbone, self.neck)
            )
            step = self.encoder_k.host_steps() * len(directions)
            keys = [
                # (M, D)
                torch.cat(all_gather(self._encode_keys(inputs[k], step + i)))
                for i, (_, k) in enumerate(directions)
            ]
            # In two steps: with device=, torch would synchronize.
            id_pairs = torch.tensor(ids)
            id_pairs = id_pairs.to(keys[0].device, non_blocking=True)
            id_pairs = torch.cat(all_gather(id_pairs))  # (M, 2)
        dataset_ids, image_ids = id_pairs.unbind(1)
        written = len(id_pairs) * len(directions)
        check = not self._negatives_guaranteed(ids, written)
        queue_mask = self._enqueue(
            torch.cat(keys),
            dataset_ids.repeat(len(directions)),
            image_ids.repeat(len(directions)),
        )
        positive_idx = torch.arange(len(ids), device=keys[0].device)
        self._contrasted = dict(
            dataset_ids=dataset_ids,
            image_ids=image_ids,
            positive_idx=positive_idx + get_rank() * len(ids),
            queue_mask=queue_mask,
        )
        losses = [
            self._contrast(query, key, check)
            for query, key in zip(queries, keys, strict=True)
        ]
        return dict(loss=torch.stack(losses).mean())

    def _contrast(self, query: Tensor, key: Tensor, check: bool) -> Tensor:
        """The loss of queries (B, D) and keys (M, D) of the last batch."""
        return self.head.loss(
            query,
            key,
            queue=self.queue,
            queue_dataset_ids=self.queue_dataset_ids,
            queue_image_ids=self.queue_image_ids,
            check_negatives=check,
            **self._contrasted,
        )

    @torch.no_grad()
    def chance_loss(self) -> float:
        """The loss of the last batch, had all embeddings been alike.

        What has learned nothing has this loss: the mean logarithm of one
        plus the negatives of each sample. Synchronizes with the device.

        Raises:
            RuntimeError: There was no batch yet.
        """
        if not self._contrasted:
            msg = 'chance_loss is that of a batch, and there was none'
            raise RuntimeError(msg)
        dim = len(self.queue)
        queries = len(self._contrasted['positive_idx'])
        keys = len(self._contrasted['dataset_ids'])
        # Similarities of nothing: all are 0.
        nothing = self.queue.new_zeros(max(queries, keys), dim)
        return self._contrast(nothing[:queries], nothing[:keys], False).item()

    def _encode_queries(self, images: Tensor) -> Tensor:
        """Unit queries (B, D) of views (B, 3, H, W)."""
        maps = self.backbone(images)
        self._check_maps(maps)
        return F.normalize(self.neck(maps)[0], dim=1)

    def _check_maps(self, maps: Sequence[Tensor]) -> None:
        name = type(self.backbone).__name__
        if len(maps) != 1:
            cure = (
                'give it out_indices of its last stage alone'
                if hasattr(self.backbone, 'out_indices')
                else 'it can not be told to return one, so take another '
                'backbone, or a bank without contrastive weights'
            )
            msg = (
                f'{name} returns {len(maps)} feature maps and contrast takes '
                f'one: {cure}'
            )
            raise InputError(msg)
        channels = maps[0].shape[1]
        if maps[0].dim() == 4 and self._in_channels not in (None, channels):
            msg = (
                f'{name} returns {channels} channels, set '
                f'model.neck.in_channels={channels} (it is '
                f'{self._in_channels})'
            )
            raise InputError(msg)

    @torch.no_grad()
    def _encode_keys(self, images: Tensor, number: int) -> Tensor:
        """Unit keys (B, D) of views (B, 3, H, W), in their order.

        A query and its key must not be normalized by the same images, else
        the batch statistics identify its key. Several processes shuffle
        their images (MoCo, section 3.3); one process has random groups.
        Both are drawn by the seed and the ``number`` of the call: a run that
        is resumed has no other state of random numbers to go on with.
        """
        seed = (torch.initial_seed() + number) % 2**63
        if get_world_size() > 1:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                images, unshuffle = batch_shuffle_ddp(images)
            keys = F.normalize(self.encoder_k(images)[0], dim=1)
            return batch_unshuffle_ddp(keys, unshuffle)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(images), generator=generator)
        order = order.to(images.device, non_blocking=True)
        keys = self.encoder_k(images[order])[0]
        return F.normalize(keys, dim=1)[order.argsort()]


def _read_ids(data_samples: list[DataSample]) -> list[tuple[int, int]]:
    """Gets (dataset_id, image_id) of each sample."""
    for name in ('dataset_id', 'image_id'):
        for index, sample in enumerate(data_samples or [DataSample()]):
            if name not in sample:
                msg = (
                    f'data sample {index} has no {name}: let PackInputs '
                    "carry it, meta_keys=('dataset_id', 'image_id')"
                )
                raise InputError(msg)
    return [(s.dataset_id, s.image_id) for s in data_samples]
