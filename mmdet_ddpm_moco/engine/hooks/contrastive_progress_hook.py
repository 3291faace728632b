"""Measures during contrastive pretraining whether the backbone learns."""

import math
from collections import deque
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor

from ...evaluation.knn_probe import LabeledProbe, encode, fixed_views
from ...evaluation.representation import alignment, queue_ages, uniformity
from ...models.moco import DatasetMoCo
from ...utils.checks import check_arguments
from ...utils.dist import unwrap_model
from ...utils.errors import InputError

# Of the loss by chance: a training that ends above is warned of. Where half of
# the images, of magnetic tiles, were contrasted with others that looked the
# same it ended at about 0.94; on NEU-DET it does at about 0.6.
HARDLY_BELOW = 0.9


@HOOKS.register_module()
class ContrastiveProgressHook(Hook):
    """Evaluates the query encoder before and during training.

    Written to the Visualizer's backends, and as one line to the log:

    - ``contrast/knn_accuracy``: accuracy of k-NN classification of labeled
      windows by the backbone's pooled features, neighbors from *other
      images* alone (near duplicates, a ``group`` of the annotations, being
      one), averaged over the classes that several images show.
    - ``contrast/loss`` and ``contrast/chance_loss``: the mean loss since the
      last report, and what it would be were all embeddings alike. A loss
      near that at the end has learned nothing, which is a warning.
    - ``contrast/alignment`` and ``contrast/uniformity`` (Wang and Isola,
      arXiv 2005.10242): of the projected embeddings of fixed training images
      in two fixed views. Both fall where training works; uniformity near 0
      is collapse. In a network from scratch the running statistics take some
      tens of steps to settle; before, all embeddings are alike.
    - ``contrast/queue_fill``: filled share of the queue.
    - ``contrast/queue_age_mean`` and ``contrast/queue_age_max``: training
      steps since its keys were encoded, each of which moved the key
      encoder. After a resume, earlier steps count with the config's batch
      size.

    Training is the same with and without the hook: see
    :mod:`~mmdet_ddpm_moco.utils.rng`.

    Args:
        interval (int): Iterations between reports, at least 1; there is one
            at the end, too. Defaults to 100.
        labeled (dict, optional): ``ann_file``, ``img_prefix`` and perhaps
            ``context``, ``min_size`` and ``background`` of a source of
            :class:`ContrastiveDataset`: its windows, scaled to the size of
            the training views. Defaults to None, no k-NN accuracy.
        k (int): Number of neighbors, at least 1; about as many as a class
            has windows. Defaults to 10.
        temperature (float): Of the neighbors' weights, above 0; see
            :func:`~mmdet_ddpm_moco.evaluation.representation.\
knn_predictions`. Defaults to 0.07.
        views (int): Training images for alignment and uniformity, at least
            2. Defaults to 128.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 100,
        labeled: dict | None = None,
        k: int = 10,
        temperature: float = 0.07,
        views: int = 128,
    ) -> None:
        check_arguments(
            locals(),
            interval=(interval >= 1, 'at least 1'),
            k=(k >= 1, 'at least 1'),
            temperature=(temperature > 0, 'above 0'),
            views=(views >= 2, 'at least 2'),
        )
        self.interval = interval
        self.labeled = labeled
        self.k = k
        self.temperature = temperature
        self.views = views

    def before_train(self, runner: Runner) -> None:
        """Reads the images, and reports the state before training.

        Raises:
            FileNotFoundError: A labeled file is missing.
            ValueError: The model is no ``DatasetMoCo``, or fewer than two
                labeled classes are in at least two images.
        """
        model = unwrap_model(runner.model)
        if not isinstance(model, DatasetMoCo):
            msg = (
                'ContrastiveProgressHook needs a DatasetMoCo, the model is '
                f'a {type(model).__name__}; remove the hook'
            )
            raise InputError(msg)
        self._model = model
        loader = runner.train_dataloader
        number = self._keys(model, loader.batch_size)
        # Keys that each step enqueued, the last first; enough to fill a
        # queue. A resumed one was filled by steps that were not counted.
        self._written = deque(
            [number] * math.ceil(model.queue_len / number),
            maxlen=model.queue_len,
        )
        self._losses: list[Tensor] = []
        if is_main_process():
            self._pair = fixed_views(loader.dataset, self.views)
            if self.labeled is not None:
                height, width = self._pair[0].shape[-2:]
                self._probe = LabeledProbe(self.labeled, (height, width))
        if runner.iter == 0:
            self._report(runner)

    def after_train_iter(
        self, runner: Runner, *, data_batch: dict, outputs: dict, **_: Any
    ) -> None:
        """Counts the keys that were enqueued, and reports at intervals."""
        self._losses.append(outputs['loss'].detach())
        number = len(data_batch['data_samples'])
        self._written.appendleft(self._keys(self._model, number))
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            self._report(runner, done)

    @staticmethod
    def _keys(model: DatasetMoCo, samples: int) -> int:
        """Keys of a step in which each process has so many samples."""
        return samples * model.keys_per_sample * get_world_size()

    def _report(self, runner: Runner, done: int = 0) -> None:
        if is_main_process():
            values, line = self.measure(self._model)
            runner.visualizer.add_scalars(
                {f'contrast/{name}': v for name, v in values.items()},
                step=done,
            )
            runner.logger.info(f'contrast after {done} iterations: {line}')
            if done == runner.max_iters:
                self._warn(runner, values)
        self._losses.clear()
        barrier()

    def _warn(self, runner: Runner, values: dict[str, float]) -> None:
        loss, chance = values.get('loss', 0.0), values.get('chance_loss', 0.0)
        if loss <= HARDLY_BELOW * chance:
            return
        runner.logger.warning(
            f'the contrastive loss, {loss:.2f}, is hardly below the '
            f'{chance:.2f} of a backbone that tells nothing apart: its '
            'datasets may look the same, or the training be too short or its '
            'rate too high; a detector may do better without this backbone'
        )

    def measure(self, model: DatasetMoCo) -> tuple[dict[str, float], str]:
        """Measures the model.

        Returns:
            tuple[dict[str, float], str]: The values, and a log line of them.
        """
        values: dict[str, float] = {}
        parts = []
        if self._losses:
            values['loss'] = torch.stack(self._losses).mean().item()
            values['chance_loss'] = model.chance_loss()
            parts.append(
                f'loss {values["loss"]:.2f} (by chance '
                f'{values["chance_loss"]:.2f})'
            )
        if self.labeled is not None:
            accuracy = self._probe.accuracy(model, self.k, self.temperature)
            classes = self._probe.classes
            values['knn_accuracy'] = accuracy
            parts.append(
                f'k-NN {accuracy:.1%} of {classes} classes (chance '
                f'{1 / classes:.1%})'
            )
        first, second = (
            F.normalize(encode(model, view, project=True), dim=1)
            for view in self._pair
        )
        fill = int(model.queue_fill)
        mean, oldest = queue_ages(fill, self._written)
        values.update(
            alignment=alignment(first, second),
            uniformity=(uniformity(first) + uniformity(second)) / 2,
            queue_fill=fill / model.queue_len,
            queue_age_mean=mean,
            queue_age_max=oldest,
        )
        parts.append(
            f'alignment {values["alignment"]:.3f}, '
            f'uniformity {values["uniformity"]:.3f}, '
            f'queue {fill} of {model.queue_len} keys, {mean:.1f} steps old '
            f'on average, the oldest {oldest}'
        )
        return values, ', '.join(parts)
