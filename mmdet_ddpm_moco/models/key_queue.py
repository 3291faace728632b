"""The queue of DatasetMoCo: keys of earlier steps, and their ids."""

from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn


class KeyQueue(nn.Module):
    """Queue of keys (MoCo, arXiv 1911.05722, section 3.2) with their ids.

    A mixin of mmpretrain's ``MoCo``, for dataset and image ids, any batch
    size and exact resumes. In persistent buffers: ``queue`` (D, K) float and
    ``queue_ptr`` (1, ), the next slot to write, both of ``MoCo``;
    ``queue_dataset_ids`` and ``queue_image_ids`` (K, ) int64, -1 in empty
    slots; ``queue_fill`` (1, ), how many slots were ever written.
    """

    queue_len: int
    keys_per_sample: int
    queue: Tensor
    queue_ptr: Tensor
    queue_dataset_ids: Tensor
    queue_image_ids: Tensor
    queue_fill: Tensor

    def _register_ids(self) -> None:
        empty = torch.full((self.queue_len,), -1, dtype=torch.long)
        self.register_buffer('queue_dataset_ids', empty)
        self.register_buffer('queue_image_ids', empty.clone())
        self.register_buffer('queue_fill', torch.zeros(1, dtype=torch.long))
        # (dataset, image) of the last batch; only an optimization, see
        # _negatives_guaranteed.
        self._last_ids: list[tuple[int, int]] = []

    @torch.no_grad()
    def _enqueue(
        self, keys: Tensor, dataset_ids: Tensor, image_ids: Tensor
    ) -> Tensor:
        """Overwrites the oldest keys with keys (M, D); masks the others.

        The keys are written *before* the logits are computed, and the mask
        returned, bool (K, ), excludes them from the negatives. Autograd
        keeps the queue itself for the backward pass, so that writing after
        the loss would need a copy of the whole queue at each step. The
        price: with a full queue K - M keys are negatives, not K.

        Everything stays on the device: pointer and fill are never read.
        """
        # Of more keys than fit, the last ones stay.
        keys = keys[-self.queue_len :]
        number = len(keys)
        device = self.queue.device
        slots = self.queue_ptr + torch.arange(number, device=device)
        slots %= self.queue_len
        mask = torch.arange(self.queue_len, device=device) < self.queue_fill
        mask.index_fill_(0, slots, False)
        self.queue.index_copy_(1, slots, keys.T.to(self.queue.dtype))
        self.queue_dataset_ids.index_copy_(0, slots, dataset_ids[-number:])
        self.queue_image_ids.index_copy_(0, slots, image_ids[-number:])
        self.queue_ptr.add_(number).remainder_(self.queue_len)
        self.queue_fill.add_(number).clamp_(max=self.queue_len)
        return mask

    def _negatives_guaranteed(
        self, ids: list[tuple[int, int]], number: int
    ) -> bool:
        """Whether each sample has a negative whatever the loss masks.

        The last batch of this process is still in the queue. If it holds,
        for each sample, a key of another dataset *and* image, no option of
        the loss can mask them all. Then the loss need not check, which would
        synchronize host and device. After a start or a resume there is no
        last batch and the loss checks.

        ``ids`` are the (dataset, image) of this batch, ``number`` its keys
        over all processes.
        """
        last, self._last_ids = self._last_ids, ids
        last_written = len(last) * get_world_size() * self.keys_per_sample
        if number + last_written > self.queue_len:
            return False
        return all(
            any(a != dataset and b != image for a, b in last)
            for dataset, image in ids
        )

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # The last batch is not in the queue that is loaded.
        self._last_ids = []
        super()._load_from_state_dict(*args, **kwargs)
