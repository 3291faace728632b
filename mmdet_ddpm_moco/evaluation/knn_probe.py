"""k-NN accuracy of a contrastive backbone on labeled windows."""

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose, LoadImageFromFile, Resize
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..checkpoints.backbone_file import read_backbone
from ..datasets.contrastive_dataset import read_source
from ..datasets.transforms.crop_to_sample import CropToSample
from ..models.moco import DatasetMoCo
from ..utils.checks import check_arguments
from ..utils.errors import InputError
from ..utils.rng import eval_mode, fork_rng
from .representation import balanced_accuracy, found_elsewhere, knn_predictions

# Always the same views, so that epochs and runs are comparable.
_SEED = 0
_BATCH = 64
START = 'initial weights'


class LabeledProbe:
    """Labeled windows that a backbone is evaluated on.

    Images of one ``group`` in the annotations, near duplicates, count as one
    image: they would be found by the part that they show. Where that leaves
    fewer than two classes, they count as several, and the log says so.

    Args:
        labeled (dict): ``ann_file``, ``img_prefix`` and perhaps
            ``context``, ``min_size`` and ``background`` of a source of
            :class:`ContrastiveDataset`.
        image_size (tuple[int, int]): ``(height, width)`` in pixels that
            windows are scaled to.

    Raises:
        FileNotFoundError: A labeled file is missing.
        ValueError: There are fewer than two such classes.
    """

    def __init__(self, labeled: dict, image_size: tuple[int, int]) -> None:
        source = dict(labeled, dataset_ids='class')
        windows = read_source(source).samples
        self.windows = windows
        classes = [str(window.dataset) for window in windows]
        names = sorted(set(classes))
        self._labels = torch.tensor([names.index(c) for c in classes])
        files = [window.path.resolve() for window in windows]
        groups = _groups(labeled)
        self._set_images([groups.get(file, file) for file in files])
        if self.classes < 2 and groups:
            self._set_images(files)
            print_log(
                f'{labeled["ann_file"]} shows too few different parts: k-NN '
                'accuracy counts near duplicates as neighbors, and is high',
                'current',
                logging.WARNING,
            )
        if self.classes < 2:
            msg = (
                f'fewer than two classes of {labeled["ann_file"]} are in '
                'two images each; label more images, or leave labeled out'
            )
            raise InputError(msg)
        read = Compose(
            [LoadImageFromFile(), CropToSample(), Resize(image_size[::-1])]
        )
        pixels = np.stack(
            [
                read(dict(img_path=str(w.path), crop=w.crop))['img']
                for w in windows
            ]
        )
        # BGR, uint8 (N, 3, height, width).
        self._pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _set_images(self, images: Sequence[Any]) -> None:
        """Says which windows are of one image, and so no neighbors."""
        numbers = {image: number for number, image in enumerate(images)}
        self._images = torch.tensor([numbers[image] for image in images])
        self._evaluated = found_elsewhere(self._labels, self._images)
        # Number of evaluated classes: those in two images.
        self.classes = len(self._labels[self._evaluated].unique())

    def accuracy(
        self, model: DatasetMoCo, k: int, temperature: float = 0.07
    ) -> float:
        """Balanced accuracy, in [0, 1], of :func:`knn_predictions`.

        They are made from the pooled features of the model's backbone.
        """
        features = encode(model, self._pixels, project=False)
        predicted = knn_predictions(
            features, self._labels, self._images, k, temperature
        )
        return balanced_accuracy(
            predicted[self._evaluated], self._labels[self._evaluated]
        )


def _groups(labeled: Mapping[str, str]) -> dict[Path, int]:
    """The group of each image that has one, by resolved file."""
    coco = json.loads(Path(labeled['ann_file']).read_text(encoding='utf-8'))
    return {
        (Path(labeled['img_prefix']) / image['file_name']).resolve(): image[
            'group'
        ]
        for image in coco['images']
        if 'group' in image
    }


def fixed_views(
    dataset: Sequence[Mapping[str, Any]], number: int
) -> list[Tensor]:
    """Draws two views of at most ``number`` images, the same at each call.

    The dataset has dicts with ``inputs``, at least two views.

    Returns:
        list[Tensor]: The first and the second views, each uint8
        (N, 3, H, W).
    """
    with fork_rng(_SEED):
        chosen = np.random.permutation(len(dataset))[:number]
        inputs = [dataset[int(index)]['inputs'] for index in chosen]
    return [torch.stack([views[i] for views in inputs]) for i in (0, 1)]


def encode(model: DatasetMoCo, images: Tensor, project: bool) -> Tensor:
    """Encodes images with the query encoder, in eval mode.

    Args:
        model (DatasetMoCo): The model; left as it was.
        images (Tensor): As from the dataset, uint8 (N, 3, H, W).
        project (bool): Return the neck's output instead of the average
            pooled last feature map of the backbone.

    Returns:
        Tensor: float32 (N, D) on the CPU.
    """
    encoded = []
    assert isinstance(model.data_preprocessor, nn.Module)
    with eval_mode(model.backbone, model.neck):
        for part in images.split(_BATCH):
            data = dict(inputs=[part], data_samples=None)
            (pixels,) = model.data_preprocessor(data)['inputs']
            maps = model.backbone(pixels)
            found = model.neck(maps)[0] if project else maps[-1].mean((2, 3))
            encoded.append(found.float().cpu())
    return torch.cat(encoded)


def backbone_accuracies(
    cfg: Config,
    backbones: Sequence[str | Path],
    labeled: dict,
    k: int = 10,
) -> tuple[dict[str, float], LabeledProbe]:
    """k-NN accuracy of several backbones.

    Args:
        cfg (Config): Of contrastive training, of the same architecture.
        backbones (Sequence[str | Path]): Files of weights, as
            :class:`ContrastiveInitHook` takes them.
        labeled (dict): As in :class:`ContrastiveProgressHook`.
        k (int): Neighbors that vote, at least 1. Defaults to 10.

    Returns:
        tuple[dict[str, float], LabeledProbe]: Balanced accuracy in [0, 1]
        of the config's initial weights and of each file; and the windows.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Weights do not fit, or an argument is out of range.
    """
    check_arguments(locals(), k=(k >= 1, 'at least 1'))
    probe = LabeledProbe(labeled, view_size(cfg))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # The same initial weights, should they be random.
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
    found = {START: probe.accuracy(model, k)}
    start = copy.deepcopy(model.backbone.state_dict())
    for file in backbones:
        weights = read_backbone(file, model.backbone, 0.95).weights
        # What a file lacks would else be that of the file before it.
        model.backbone.load_state_dict({**start, **weights}, strict=False)
        found[str(file)] = probe.accuracy(model, k)
    return found, probe


def view_size(cfg: Config) -> tuple[int, int]:
    """``(height, width)`` in pixels of the views that a config trains on.

    Raises:
        ValueError: No transform of its pipeline has a ``scale``.
    """
    for transform in cfg.train_dataloader.dataset.get('pipeline', ()):
        scale = transform.get('scale')
        if scale is not None:
            return (scale, scale) if isinstance(scale, int) else tuple(scale)
    msg = (
        f'{cfg.filename} has no size of its views: give a config of '
        'configs/mocov2'
    )
    raise InputError(msg)
