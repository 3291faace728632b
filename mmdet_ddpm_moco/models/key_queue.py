"""The queue of DatasetMoCo: keys of earlier steps, and where they are from."""

from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import Tensor


class KeyQueue:
    """What mmpretrain's ``MoCo`` needs for ids, any batch size and resumes.

    In persistent buffers: ``queue`` (D, K) float and ``queue_ptr`` (1, ),
    the slot written next, both of ``MoCo``; ``queue_dataset_ids`` and
    ``queue_image_ids`` (K, ) int64, -1 where nothing is; ``queue_fill``
    (1, ), how many slots were ever written.
    """

    def _add_ids_to_queue(self) -> None:
        no_ids = torch.full((self.queue_len,), -1, dtype=torch.long)
        self.register_buffer('queue_dataset_ids', no_ids)
        self.register_buffer('queue_image_ids', no_ids.clone())
        self.register_buffer('queue_fill', torch.zeros(1, dtype=torch.long))
        # (dataset, image) of the last batch; only a short cut, see
        # _negatives_are_sure.
        self._last_ids: list[tuple[int, int]] = []

    @torch.no_grad()
    def _enqueue(
        self, keys: Tensor, dataset_ids: Tensor, image_ids: Tensor
    ) -> Tensor:
        """Writes keys (M, D) over the oldest ones; returns the rest's mask.

        The keys go in *before* the logits are computed, and the mask, bool
        (K, ), leaves them out of the negatives. Autograd keeps the queue
        itself for the backward pass, so that writing after the loss would
        need a copy of the whole queue at each step. The price: with a full
        queue K - M keys are negatives, not K.

        Everything stays on the device: pointer and fill are never read.
        """
        # Of more keys than fit, the last ones stay.
        keys = keys[-self.queue_len :]
        number = len(keys)
        device = self.queue.device
        slots = self.queue_ptr + torch.arange(number, device=device)
        slots %= self.queue_len
        counts = torch.arange(self.queue_len, device=device) < self.queue_fill
        counts.index_fill_(0, slots, False)
        self.queue.index_copy_(1, slots, keys.T.to(self.queue.dtype))
        self.queue_dataset_ids.index_copy_(0, slots, dataset_ids[-number:])
        self.queue_image_ids.index_copy_(0, slots, image_ids[-number:])
        self.queue_ptr.add_(number).remainder_(self.queue_len)
        self.queue_fill.add_(number).clamp_(max=self.queue_len)
        return counts

    def _negatives_are_sure(
        self, ids: list[tuple[int, int]], number: int
    ) -> bool:
        """Whether each sample is known to have a negative.

        The last batch of this process is still in the queue. If it holds,
        for each sample, a key of another dataset *and* image, no option of
        the loss can mask them all. Then the loss need not look, which would
        make the host wait for the device. After a start or a resume there
        is no last batch and the loss looks.

        Args:
            ids (list[tuple[int, int]]): (dataset, image) of this batch.
            number (int): Keys of this batch over all processes.
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
        # Another queue comes in: the last batch is not in it.
        self._last_ids = []
        super()._load_from_state_dict(*args, **kwargs)
