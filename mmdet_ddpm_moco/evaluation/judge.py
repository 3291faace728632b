"""The judge: a trained detector that looks for synthesized defects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.fileio import list_from_file
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor

from ..bank.compositing import Box
from ..checkpoints.weights_only import load_weights_only, weights_of
from ..utils.checks import check_class_order
from ..utils.errors import InputError
from ..utils.paths import find_config

BATCH = 8


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image."""

    boxes: np.ndarray  # float32 (D, 4), x0, y0, x1, y1 in pixels
    scores: np.ndarray  # float32 (D, ), in [0, 1]
    labels: np.ndarray  # int64 (D, ), of the bank's classes

    def has(
        self, box: Box, label: int, *, iou: float = 0.5, score: float = 0.3
    ) -> bool:
        """Whether a defect is detected, in its place and with its class.

        Args:
            box (tuple): ``(x, y, w, h)`` of the defect in pixels.
            label (int): Its class.
            iou (float): Lowest intersection over union. Defaults to 0.5.
            score (float): Lowest score. Defaults to 0.3.
        """
        good = (self.scores >= score) & (self.labels == label)
        shared, own = self._areas(box)
        union = own + box[2] * box[3] - shared
        return bool((good & (shared >= iou * union)).any())

    def has_any(
        self, box: Box, *, iou: float = 0.5, score: float = 0.3
    ) -> bool:
        """Whether a defect of any class is detected at a place.

        Args:
            box (tuple): ``(x, y, w, h)`` of the place in pixels.
            iou (float): Lowest share of the detection that is inside, so
                that a small one inside the place counts and a large one
                around it does not. Defaults to 0.5.
            score (float): Lowest score. Defaults to 0.3.
        """
        shared, own = self._areas(box)
        inside = (shared > 0) & (shared >= iou * own)
        return bool(((self.scores >= score) & inside).any())

    def _areas(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Areas of the intersections with a box, and of the detections."""
        x, y, w, h = box
        low = np.maximum(self.boxes[:, :2], (x, y))
        high = np.minimum(self.boxes[:, 2:], (x + w, y + h))
        shared = np.clip(high - low, 0, None).prod(axis=1)
        return shared, (self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)


class Judge:
    """A trained detector for images in memory.

    Not mmdet's ``init_detector``: its loader ignores weights that do not
    fit, and such a judge finds nothing.

    Args:
        cfg (Config): The detector's config, with a test data loader.
        weights (Mapping[str, Tensor]): Its state dict.
        meta (Mapping[str, Any]): ``meta`` of its checkpoint; class names in
            it take precedence over those of the config.
        classes (Sequence[str]): Class names of the bank.
        path (str): File of the weights, for messages.
        device (str): Where to run. Defaults to 'cpu'.

    Raises:
        ValueError: The weights do not fit the config, or the detector has
            other classes.
    """

    def __init__(
        self,
        cfg: Config,
        weights: Mapping[str, Tensor],
        meta: Mapping[str, Any],
        classes: Sequence[str],
        path: str,
        device: str = 'cpu',
    ) -> None:
        init_default_scope(cfg.get('default_scope', 'mmdet'))
        own = class_names(cfg, meta)
        if set(own) != set(classes):
            msg = (
                f'the judge {path} has the classes '
                f'{", ".join(own) or "(none)"}, the bank has '
                f'{", ".join(classes)}; give a detector of these'
            )
            raise InputError(msg)
        self._labels = np.array([list(classes).index(name) for name in own])
        built = dict(cfg.model)
        if cfg.get('data_preprocessor'):
            # MMEngine's Runner takes it from there, too.
            built.setdefault('data_preprocessor', cfg.data_preprocessor)
        model = revert_sync_batchnorm(MODELS.build(built))
        try:
            model.load_state_dict(dict(weights))
        except RuntimeError as error:
            lines = str(error).splitlines()
            msg = (
                f'the weights {path} do not fit the judge of {cfg.filename}: '
                f'{lines[min(1, len(lines) - 1)].strip()}'
            )
            raise InputError(msg) from error
        self.model = model.to(device).eval()
        pipeline = get_test_pipeline_cfg(cfg.copy())
        # Which would not make an image gray.
        self._gray = 'grayscale' in pipeline[0].get('color_type', 'color')
        pipeline[0].type = 'mmdet.LoadImageFromNDArray'
        self._pipeline = Compose(pipeline)

    @torch.inference_mode()
    def detect(self, images: Iterable[np.ndarray]) -> Iterator[Detections]:
        """Runs the detector on images, BGR uint8 (H, W, 3), in batches."""
        if self._gray:
            images = (cv2.cvtColor(i, cv2.COLOR_BGR2GRAY) for i in images)
        inputs = (self._pipeline(dict(img=i, img_id=0)) for i in images)
        while batch := list(islice(inputs, BATCH)):
            for result in self.model.test_step(pseudo_collate(batch)):
                found = result.pred_instances.cpu().numpy()
                yield Detections(
                    found.bboxes.astype(np.float32),
                    found.scores.astype(np.float32),
                    self._labels[found.labels],
                )


def class_names(cfg: Config, meta: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a detector's classes, in the order of its labels.

    Args:
        cfg (Config): With a test data loader.
        meta (Mapping[str, Any]): ``meta`` of its checkpoint, whose classes
            take precedence.

    Returns:
        tuple[str, ...]: None if neither says them.

    Raises:
        ValueError: The annotations that it is tested on, if they are there,
            have the classes in another order.
    """
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    saved = meta.get('dataset_meta')
    if isinstance(saved, Mapping) and saved.get('classes'):
        classes = tuple(saved['classes'])
    else:
        classes = dataset_classes(dataset)
    root = Path(dataset.get('data_root') or '')
    check_class_order(root / (dataset.get('ann_file') or ''), classes)
    return classes


def dataset_classes(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes that a data set uses.

    Args:
        dataset (Mapping[str, Any]): Its config, without wrappers.

    Returns:
        tuple[str, ...]: None if neither config nor type says them.
    """
    given = (dataset.get('metainfo') or {}).get('classes')
    if isinstance(given, str):  # a file, for MMEngine
        given = list_from_file(given)
    if given:
        return tuple(given)
    kind = dataset['type']
    if isinstance(kind, str):
        kind = DATASETS.get(kind)
    return tuple(getattr(kind, 'METAINFO', {}).get('classes') or ())


def load_judge(
    config: str | Path,
    checkpoint: str | Path,
    classes: Sequence[str],
    device: str,
) -> Judge:
    """Loads a trained detector for a bank of these classes.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint is unsafe or does not fit.
    """
    loaded = load_weights_only(checkpoint)
    return Judge(
        Config.fromfile(find_config(str(config))),
        weights_of(loaded, checkpoint),
        loaded.get('meta') or {},
        classes,
        str(checkpoint),
        device,
    )
