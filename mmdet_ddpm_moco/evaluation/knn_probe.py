"""What a query encoder makes of images that training has not changed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose, LoadImageFromFile, Resize
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from torch import Tensor
from torch.utils.data import Dataset

from ..checkpoints.backbone_file import read_backbone
from ..datasets.contrastive_dataset import read_source
from ..datasets.sample_lists import Sample
from ..datasets.transforms.crop_to_sample import CropToSample
from ..models.moco import DatasetMoCo
from ..utils.errors import InputError
from ..utils.rng import eval_mode, fork_rng
from .representation import balanced_accuracy, found_elsewhere, knn_predictions


def read_windows(
    windows: list[Sample], image_size: tuple[int, int]
) -> torch.Tensor:
    """Reads windows and scales each to one size, whatever its own.

    Args:
        windows (list[Sample]): At least one.
        image_size (tuple[int, int]): ``(height, width)`` in pixels.

    Returns:
        torch.Tensor: BGR, uint8 (N, 3, height, width).
    """
    read = Compose(
        [LoadImageFromFile(), CropToSample(), Resize(image_size[::-1])]
    )
    pixels = [
        read(dict(img_path=str(window.path), crop=window.crop))['img']
        for window in windows
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)


# Always the same views, so that epochs and runs can be compared.
_SEED = 0
_BATCH = 64


class LabeledProbe:
    """Labeled windows, to ask a backbone which of them are of a kind.

    Args:
        labeled (dict): ``ann_file``, ``img_prefix`` and perhaps
            ``context``, ``min_size`` and ``background`` of a source of
            :class:`ContrastiveDataset`.
        image_size (tuple[int, int]): ``(height, width)`` in pixels that
            windows are scaled to.

    Attributes:
        classes (int): How many classes are asked about: those that two
            images show.

    Raises:
        FileNotFoundError: A labeled file is missing.
        ValueError: There are fewer than two such classes.
    """

    def __init__(self, labeled: dict, image_size: tuple[int, int]) -> None:
        source = dict(labeled, dataset_ids='class')
        windows = read_source(source).samples
        self.windows = windows
        names = sorted({window.dataset for window in windows})
        files = [window.path.resolve() for window in windows]
        numbers = {file: number for number, file in enumerate(files)}
        self._labels = torch.tensor([names.index(w.dataset) for w in windows])
        self._images = torch.tensor([numbers[file] for file in files])
        self._asked = found_elsewhere(self._labels, self._images)
        self.classes = len(self._labels[self._asked].unique())
        if self.classes < 2:
            msg = (
                f'fewer than two classes of {labeled["ann_file"]} are in '
                'two images each; label more images, or leave labeled out'
            )
            raise InputError(msg)
        self._pixels = read_windows(windows, image_size)

    def accuracy(
        self, model: DatasetMoCo, k: int, temperature: float = 0.07
    ) -> float:
        """Balanced accuracy of :func:`knn_predictions`, in [0, 1].

        Args:
            model (DatasetMoCo): Its backbone's pooled features are used.
            k (int): Neighbors that vote.
            temperature (float): Of the votes. Defaults to 0.07.
        """
        features = encode(model, self._pixels, project=False)
        predicted = knn_predictions(
            features, self._labels, self._images, k, temperature
        )
        return balanced_accuracy(
            predicted[self._asked], self._labels[self._asked]
        )


def fixed_views(dataset: Dataset, number: int) -> list[Tensor]:
    """Draws two views of some training images, the same at each call.

    Args:
        dataset (Dataset): Gives dicts with ``inputs``, two views at least.
        number (int): How many images, if there are that many.

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
        project (bool): Whether the neck's output is wanted, instead of the
            backbone's last map averaged over all places.

    Returns:
        Tensor: float32 (N, D) on the CPU.
    """
    encoded = []
    with eval_mode(model.backbone, model.neck):
        for part in images.split(_BATCH):
            data = dict(inputs=[part], data_samples=None)
            (pixels,) = model.data_preprocessor(data)['inputs']
            maps = model.backbone(pixels)
            if project:
                encoded.append(model.neck(maps)[0].float().cpu())
            else:
                encoded.append(maps[-1].mean((2, 3)).float().cpu())
    return torch.cat(encoded)


START = 'as it starts'


def backbone_accuracies(
    cfg: Config,
    backbones: Sequence[str | Path],
    labeled: dict,
    k: int = 10,
) -> tuple[dict[str, float], LabeledProbe]:
    """Asks backbones for the kind of labeled windows.

    Args:
        cfg (Config): Of contrastive training, of the same architecture.
        backbones (Sequence[str | Path]): Files of weights, as
            :class:`ContrastiveInitHook` takes them.
        labeled (dict): As in :class:`ContrastiveProgressHook`.
        k (int): Neighbors that vote, at least 1. Defaults to 10.

    Returns:
        tuple[dict[str, float], LabeledProbe]: Balanced accuracy in [0, 1]
        of the config's own start and of each file; and what was asked.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Weights do not fit, or an argument is out of range.
    """
    if k < 1:
        msg = f'k must be at least 1, got {k}'
        raise InputError(msg)
    probe = LabeledProbe(labeled, view_size(cfg))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # The same start, should it be drawn at random.
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
    found = {START: probe.accuracy(model, k)}
    for file in backbones:
        weights = read_backbone(file, model.backbone, 0.95).weights
        model.backbone.load_state_dict(weights, strict=False)
        found[str(file)] = probe.accuracy(model, k)
    return found, probe


def view_size(cfg: Config) -> tuple[int, int]:
    """``(height, width)`` in pixels of the views that a config trains on.

    Raises:
        ValueError: No transform of its pipeline says so.
    """
    for transform in cfg.train_dataloader.dataset.get('pipeline', ()):
        scale = transform.get('scale')
        if scale is not None:
            return (scale, scale) if isinstance(scale, int) else tuple(scale)
    msg = (
        f'{cfg.filename} names no size of its views: give a config of '
        'configs/moco'
    )
    raise InputError(msg)
