"""The Inception network that FID is defined with, from a file of weights.

torch-fidelity has the network, but would download the weights, and unpickles
a given file without care. So the file is read elsewhere, safely, and the
network gets a converted copy.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import (
    FeatureExtractorInceptionV3,
)

from ..utils.errors import InputError

_MARK = 'Conv2d_1a_3x3.conv.weight'


class InceptionFeatures(nn.Module):
    """torch-fidelity's Inception v3, behind the interface of ours.

    Args:
        weights (Mapping[str, Tensor]): Its state dict.
        path (str): Where it comes from, for messages.

    Raises:
        ValueError: The weights are those of another Inception.
    """

    name = 'Inception'
    # The network would enlarge to this with TensorFlow 1's filter, which
    # does nothing to pictures that have the size already.
    size = 299

    def __init__(self, weights: Mapping[str, Tensor], path: str) -> None:
        super().__init__()
        with TemporaryDirectory() as folder:
            file = Path(folder) / 'inception.pth'
            torch.save(dict(weights), file)
            try:
                self.network = FeatureExtractorInceptionV3(
                    'inception-v3-compat',
                    ['2048', 'logits_unbiased'],
                    feature_extractor_weights_path=str(file),
                )
            except RuntimeError as error:
                first = str(error).splitlines()[-1].strip()
                msg = (
                    f'{path} holds no weights for the Inception network of '
                    f'FID (weights-inception-2015-12-05-6726825d.pth): '
                    f'{first}'
                )
                raise InputError(msg) from error

    def forward(self, images: Tensor) -> Tensor:
        """Computes features.

        Args:
            images (torch.Tensor): RGB uint8 (N, 3, 299, 299).

        Returns:
            torch.Tensor: float32 (N, 2048).
        """
        return self.network(images)[0]

    def logits(self, features: Tensor) -> Tensor:
        """Class scores without their bias, as the inception score wants.

        Args:
            features (torch.Tensor): float32 (N, 2048).

        Returns:
            torch.Tensor: float32 (N, 1008).
        """
        return features @ self.network.fc.weight.T


def is_inception(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a loaded file looks like Inception's state dict."""
    return _MARK in checkpoint
