"""What a query encoder makes of images that training has not changed."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mmdet_ddpm_moco.datasets.contrastive_sources import read_source
from mmdet_ddpm_moco.evaluation.representation import (
    balanced_accuracy,
    found_elsewhere,
    knn_predictions,
)
from mmdet_ddpm_moco.models.moco import DatasetMoCo

from .labelled_windows import read_windows
from .undisturbed import evaluating, own_randomness

# Always the same views, so that epochs and runs can be compared.
_SEED = 0
_BATCH = 64


class LabelledProbe:
    """Labelled windows, to ask a backbone which of them are of a kind.

    Args:
        labelled (dict): ``ann_file``, ``img_prefix`` and perhaps
            ``context``, ``min_size`` and ``background`` of a source of
            :class:`ContrastiveDataset`.
        image_size (tuple[int, int]): ``(height, width)`` in pixels that
            windows are scaled to.

    Attributes:
        classes (int): How many classes are asked about: those that two
            images show.

    Raises:
        FileNotFoundError: A labelled file is missing.
        ValueError: There are fewer than two such classes.
    """

    def __init__(self, labelled: dict, image_size: tuple[int, int]) -> None:
        source = dict(labelled, dataset_ids='class')
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
                f'fewer than two classes of {labelled["ann_file"]} are in '
                'two images each; label more images, or leave labelled out'
            )
            raise ValueError(msg)
        self._pixels = read_windows(windows, image_size)

    def accuracy(
        self, model: DatasetMoCo, k: int, temperature: float = 0.07
    ) -> float:
        """Balanced accuracy of :func:`knn_predictions`, in [0, 1].

        Args:
            model (DatasetMoCo): Its backbone's pooled features are used.
            k (int): Neighbours that vote.
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
    with own_randomness(_SEED):
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
    with evaluating(model.backbone, model.neck):
        for part in images.split(_BATCH):
            data = dict(inputs=[part], data_samples=None)
            (pixels,) = model.data_preprocessor(data)['inputs']
            maps = model.backbone(pixels)
            if project:
                encoded.append(model.neck(maps)[0].float().cpu())
            else:
                encoded.append(maps[-1].mean((2, 3)).float().cpu())
    return torch.cat(encoded)
