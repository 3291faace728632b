"""The training samples of a config, with what DDPMMoCoHook adds to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import HOOKS, init_default_scope
from mmengine.runner import set_random_seed

from ..datasets.transforms.annotations import horizontal_corners
from ..datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from ..datasets.transforms.pasted_sample import ORIGINS, ORIGINS_KEY
from ..utils.errors import InputError
from .hooks.ddpm_moco_hook import DDPMMoCoHook
from .inputs import fill_hooks, hook_configs
from .pipelines import innermost_datasets, type_name

# Labels are this much larger for each step in ORIGINS.
_STEP = 100_000


@dataclass(frozen=True)
class Sample:
    """A training sample, as the pipeline packs it.

    Attributes:
        image (np.ndarray): uint8 (H, W) or (H, W, 3) in the pipeline's order
            of channels.
        corners (np.ndarray): (N, 4), x0, y0, x1, y1 in pixels.
        names (list[str]): N names of classes.
        origins (list[str]): N of ``ORIGINS``.
        path (str): Of the image.
    """

    image: np.ndarray
    corners: np.ndarray
    names: list[str]
    origins: list[str]
    path: str


class _TellOrigins:
    """Puts the origin of each box into its label.

    Whatever later transforms do to boxes, they do it to their labels.
    """

    def __call__(self, results: dict) -> dict:
        labels = results['gt_bboxes_labels']
        origins = results[ORIGINS_KEY].astype(labels.dtype)
        results['gt_bboxes_labels'] = labels + _STEP * origins
        return results


def browsed_dataset(cfg: Config, log: Callable[[str], None]) -> Any:
    """Builds the training data set as ``DDPMMoCoHook`` changes it.

    Args:
        cfg (Config): Of a detector; its hook takes what its ``stages`` make.
        log (Callable): Takes a line about each pipeline.

    Returns:
        BaseDataset: For :func:`draw_samples`.

    Raises:
        FileNotFoundError: Annotations, bank or scenes are missing.
        ValueError: The config has no training data, or they do not fit.
    """
    if not cfg.get('train_dataloader'):
        msg = f'{cfg.filename} has no train_dataloader, so nothing to show'
        raise InputError(msg)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    for settings in hook_configs(fill_hooks(cfg)):
        if type_name(settings) != DDPMMoCoHook.__name__:
            continue
        # Weights are not needed, so they need not be there; the priority is
        # for MMEngine's runner.
        left_out = ('checkpoint', 'priority')
        settings = {k: v for k, v in settings.items() if k not in left_out}
        if settings.get('bank') or settings.get('scenes'):
            HOOKS.build(settings).add_to(dataset, log)
    found = False
    for inner in innermost_datasets(dataset):
        transforms = inner.pipeline.transforms
        for at, transform in reversed(list(enumerate(transforms))):
            if isinstance(transform, DiffusionDefectAugment):
                transforms.insert(at + 1, _TellOrigins())
                found = True
    if not found:
        log(
            'neither a DDPMMoCoHook with a bank or scenes nor '
            'DiffusionDefectAugment in the pipeline: real boxes only'
        )
    return dataset


def draw_samples(dataset: Any, number: int, seed: int) -> Iterator[Sample]:
    """Draws training samples.

    Args:
        dataset (BaseDataset): From :func:`browsed_dataset`.
        number (int): How many, at least 1; at most each image once.
        seed (int): The same samples for the same seed.

    Raises:
        ValueError: The data set is empty, or packs no detection samples.
    """
    if not len(dataset):
        msg = 'the training data set is empty'
        raise InputError(msg)
    set_random_seed(seed)
    order = np.random.RandomState(seed).permutation(len(dataset))[:number]
    for index in order.tolist():
        yield _sample(dataset[index], dataset.metainfo['classes'])


def _sample(packed: Any, classes: tuple[str, ...]) -> Sample:
    inputs, sample = packed.get('inputs'), packed.get('data_samples')
    if isinstance(inputs, dict):  # the branches of a semi-supervised detector
        branch = next(iter(inputs))
        inputs, sample = inputs[branch], sample[branch]
    if not isinstance(inputs, torch.Tensor) or 'gt_instances' not in sample:
        msg = (
            'the training pipeline does not end with PackDetInputs, so its '
            'samples cannot be shown'
        )
        raise InputError(msg)
    pixels = inputs.numpy().transpose(1, 2, 0)
    truth = sample.gt_instances
    boxes, labels = truth.bboxes, truth.labels.tolist()
    corners = (
        boxes.numpy()
        if isinstance(boxes, torch.Tensor)
        else horizontal_corners(boxes)
    )
    return Sample(
        pixels.clip(0, 255).astype(np.uint8),
        corners,
        [classes[label % _STEP] for label in labels],
        [ORIGINS[label // _STEP] for label in labels],
        sample.metainfo.get('img_path', ''),
    )
