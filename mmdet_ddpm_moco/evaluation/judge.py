"""A detector that judges synthesized defects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor

from ..bank.compositing import Box
from ..checkpoints.weights_only import load_weights_only, weights_of
from ..utils.errors import InputError
from ..utils.paths import find_config

BATCH = 8


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image.

    Attributes:
        boxes (np.ndarray): float32 (D, 4), x0, y0, x1, y1 in pixels.
        scores (np.ndarray): float32 (D, ), in [0, 1].
        labels (np.ndarray): int64 (D, ), of the bank's classes.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Judge:
    """A trained detector, run on pictures in memory.

    Not mmdet's ``init_detector``: its loader passes over weights that do not
    fit, and such a judge finds nothing.

    Args:
        cfg (Config): The detector's config, with a test data loader.
        weights (Mapping[str, Tensor]): Its state dict.
        meta (Mapping[str, Any]): ``meta`` of its checkpoint; the class names
            in it go before those of the config.
        classes (Sequence[str]): Class names of the bank.
        path (str): Where the weights come from, for messages.
        device (str): Where to run. Defaults to 'cpu'.

    Raises:
        ValueError: The weights do not fit the config, or the detector knows
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
        known = _classes(cfg, meta)
        if set(known) != set(classes):
            msg = (
                f'the judge {path} knows the classes '
                f'{", ".join(known) or "(none)"}, the bank has '
                f'{", ".join(classes)}; give a detector of these'
            )
            raise InputError(msg)
        self._labels = np.array([list(classes).index(name) for name in known])
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
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
        pipeline[0].type = 'mmdet.LoadImageFromNDArray'
        self._pipeline = Compose(pipeline)

    @torch.inference_mode()
    def detect(
        self, images: Iterator[np.ndarray] | Sequence[np.ndarray]
    ) -> Iterator[Detections]:
        """Runs the detector on images, in batches.

        Args:
            images (Iterable[np.ndarray]): BGR uint8 (H, W, 3).

        Yields:
            Detections: For each image.
        """
        batch = []
        for image in images:
            batch.append(self._pipeline(dict(img=image, img_id=0)))
            if len(batch) == BATCH:
                yield from self._run(batch)
                batch = []
        if batch:
            yield from self._run(batch)

    def _run(self, batch: list[dict]) -> list[Detections]:
        results = self.model.test_step(pseudo_collate(batch))
        found = []
        for result in results:
            instances = result.pred_instances.cpu().numpy()
            found.append(
                Detections(
                    instances.bboxes.astype(np.float32),
                    instances.scores.astype(np.float32),
                    self._labels[instances.labels],
                )
            )
        return found


def _classes(cfg: Config, meta: Mapping[str, Any]) -> tuple[str, ...]:
    told = meta.get('dataset_meta')
    if isinstance(told, Mapping) and told.get('classes'):
        return tuple(told['classes'])
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    told = dataset.get('metainfo') or {}
    kind = DATASETS.get(dataset.type)
    return tuple(told.get('classes') or kind.METAINFO.get('classes') or ())


def finds(
    detections: Detections,
    box: Box,
    label: int,
    *,
    iou: float = 0.5,
    score: float = 0.3,
) -> bool:
    """Whether a defect is found: right place, right class.

    Args:
        detections (Detections): Of the image.
        box (tuple): ``(x, y, w, h)`` of the defect in pixels.
        label (int): Its class.
        iou (float): Lowest intersection over union. Defaults to 0.5.
        score (float): Lowest score. Defaults to 0.3.

    Returns:
        bool: True if some detection of this class is good enough.
    """
    good = (detections.scores >= score) & (detections.labels == label)
    shared, own, area = _areas(detections.boxes[good], box)
    return bool((shared >= iou * (own + area - shared)).any())


def fires_at(
    detections: Detections,
    box: Box,
    *,
    iou: float = 0.5,
    score: float = 0.3,
) -> bool:
    """Whether a detector sees a defect, of any class, at a place.

    Args:
        detections (Detections): Of the image.
        box (tuple): ``(x, y, w, h)`` of the place in pixels.
        iou (float): Lowest share: of the place's and the detection's union,
            or of the detection alone, so that a small one inside the place
            counts and a large one over it and much else does not. Defaults
            to 0.5.
        score (float): Lowest score. Defaults to 0.3.

    Returns:
        bool: True if some detection lies there.
    """
    good = detections.scores >= score
    shared, own, _ = _areas(detections.boxes[good], box)
    # An intersection over union that is enough implies the other.
    return bool(((shared > 0) & (shared >= iou * own)).any())


def _areas(
    boxes: np.ndarray, box: Box
) -> tuple[np.ndarray, np.ndarray, float]:
    """Areas of the intersections, of the boxes and of the box."""
    x, y, w, h = box
    low = np.maximum(boxes[:, :2], (x, y))
    high = np.minimum(boxes[:, 2:], (x + w, y + h))
    shared = np.clip(high - low, 0, None).prod(axis=1)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared, own, float(w * h)


def load_judge(
    config: str | Path,
    checkpoint: str | Path,
    classes: Sequence[str],
    device: str,
) -> Judge:
    """Loads a trained detector.

    Args:
        config (str | Path): Its config.
        checkpoint (str | Path): Its checkpoint.
        classes (Sequence[str]): Class names of the bank.
        device (str): Where it runs.

    Returns:
        Judge: The detector.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint is unsafe or does not fit.
    """
    loaded = load_weights_only(checkpoint)
    return Judge(
        Config.fromfile(find_config(config)),
        weights_of(loaded, checkpoint),
        loaded.get('meta') or {},
        classes,
        str(checkpoint),
        device,
    )
