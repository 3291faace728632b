"""Tells early whether contrast teaches a backbone anything."""

import math
from collections import deque

import torch.nn.functional as F
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...evaluation.knn_probe import LabeledProbe, encode, fixed_views
from ...evaluation.representation import alignment, queue_ages, uniformity
from ...models.moco import DatasetMoCo
from ...utils.dist import unwrap_model
from ...utils.errors import InputError


@HOOKS.register_module()
class ContrastiveProgressHook(Hook):
    """Reports on the query encoder before training and during it.

    Written to the Visualizer's backends, and as one line to the log:

    - ``contrast/knn_accuracy``: share of labeled windows whose class the
      nearest windows of *other images* tell, by the backbone's pooled
      features, averaged over the classes. A class that only one image shows
      is not asked about.
    - ``contrast/alignment`` and ``contrast/uniformity``: of the projected
      embeddings of fixed training images in two fixed views. Both fall
      where training works; uniformity near 0 is collapse. Running
      statistics of a network that starts from nothing settle in some tens
      of steps; before, all embeddings look alike.
    - ``contrast/queue_fill``: filled share of the queue.
    - ``contrast/queue_age_mean`` and ``contrast/queue_age_max``: training
      steps since its keys were encoded, each of which moved the key
      encoder. After a resume, the steps before it count as of the config's
      batch size.

    Training goes on as if the hook were not there: see
    :mod:`~mmdet_ddpm_moco.utils.rng`.

    Args:
        interval (int): Iterations from one report to the next, at least 1;
            there is one at the end, too. Defaults to 100.
        labeled (dict, optional): ``ann_file``, ``img_prefix`` and perhaps
            ``context``, ``min_size`` and ``background`` of a source of
            :class:`ContrastiveDataset`: its windows, scaled to the size of
            the training views. Defaults to None, no k-NN accuracy.
        k (int): Neighbors that vote, at least 1; about as many as a class
            has windows. Defaults to 10.
        temperature (float): Of the votes, above 0; see
            :func:`~mmdet_ddpm_moco.evaluation.representation.\
knn_predictions`. Defaults to 0.07.
        views (int): Training images that alignment and uniformity are
            measured on, at least 2. Defaults to 128.

    Raises:
        ValueError: An argument is out of range or unknown.
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
        for name, value, least in (
            ('interval', interval, 1),
            ('k', k, 1),
            ('views', views, 2),
        ):
            if value < least:
                msg = f'{name} must be at least {least}, got {value}'
                raise InputError(msg)
        if not temperature > 0:
            msg = f'temperature must be above 0, got {temperature}'
            raise InputError(msg)
        self.interval = interval
        self.labeled = labeled
        self.k = k
        self.temperature = temperature
        self.views = views

    def before_train(self, runner: Runner) -> None:
        """Reads what is looked at, and reports where training starts.

        Args:
            runner (Runner): Its model and training dataset are built.

        Raises:
            FileNotFoundError: A labeled file is missing.
            ValueError: The model is no ``DatasetMoCo``, or fewer than two
                labeled classes are seen in two images each.
        """
        model = unwrap_model(runner.model)
        if not isinstance(model, DatasetMoCo):
            msg = (
                'ContrastiveProgressHook follows a DatasetMoCo, the model is '
                f'a {type(model).__name__}; remove the hook'
            )
            raise InputError(msg)
        loader = runner.train_dataloader
        number = self._keys(model, loader.batch_size)
        # Keys that each step put in, the last first; enough to fill a queue.
        # A resumed one was filled by steps that nobody counted.
        self._written = deque(
            [number] * math.ceil(model.queue_len / number),
            maxlen=model.queue_len,
        )
        if is_main_process():
            self._pair = fixed_views(loader.dataset, self.views)
            if self.labeled is not None:
                self._probe = LabeledProbe(
                    self.labeled, self._pair[0].shape[-2:]
                )
        if runner.iter == 0:
            self._report(runner)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Notes how many keys went into the queue, and reports in time."""
        number = len(data_batch['data_samples'])
        self._written.appendleft(
            self._keys(unwrap_model(runner.model), number)
        )
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            self._report(runner, done)

    @staticmethod
    def _keys(model: DatasetMoCo, samples: int) -> int:
        """Keys of a step in which each process has so many samples."""
        return samples * model.keys_per_sample * get_world_size()

    def _report(self, runner: Runner, done: int = 0) -> None:
        if is_main_process():
            values, line = self.measure(unwrap_model(runner.model))
            runner.visualizer.add_scalars(
                {f'contrast/{name}': v for name, v in values.items()},
                step=done,
            )
            runner.logger.info(f'contrast after {done} iterations: {line}')
        barrier()

    def measure(self, model: DatasetMoCo) -> tuple[dict[str, float], str]:
        """Measures a model; which must not have been trained in between.

        Args:
            model (DatasetMoCo): The model.

        Returns:
            tuple[dict[str, float], str]: The numbers, and a line that tells
            them.
        """
        values, told = {}, []
        if self.labeled is not None:
            accuracy = self._probe.accuracy(model, self.k, self.temperature)
            classes = self._probe.classes
            values['knn_accuracy'] = accuracy
            told.append(
                f'k-NN {accuracy:.1%} of {classes} classes (chance '
                f'{1 / classes:.1%})'
            )
        first, second = (
            F.normalize(encode(model, view, project=True), dim=1)
            for view in self._pair
        )
        values['alignment'] = alignment(first, second)
        values['uniformity'] = (uniformity(first) + uniformity(second)) / 2
        told.append(f'alignment {values["alignment"]:.3f}')
        told.append(f'uniformity {values["uniformity"]:.3f}')
        fill = int(model.queue_fill)
        mean, oldest = queue_ages(fill, self._written)
        values['queue_fill'] = fill / model.queue_len
        values['queue_age_mean'] = mean
        values['queue_age_max'] = oldest
        told.append(
            f'queue {fill} of {model.queue_len} keys, {mean:.1f} steps old '
            f'on average, the oldest {oldest}'
        )
        return values, ', '.join(told)
