"""The Inception network that FID is defined with, from a file of weights.

torch-fidelity has the network, but would download the weights, and unpickles
a given file without checks. So the file is read safely elsewhere, and the
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
    """torch-fidelity's Inception v3, with the interface of our extractors.

    Args:
        weights (Mapping[str, Tensor]): Its state dict.
        path (str): Its file, for messages.

    Raises:
        ValueError: The weights are those of another Inception.
    """

    name = 'Inception'
    # The network would resize to this with TensorFlow 1's filter, which
    # does nothing to images of that size.
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
                    f'{path} has no weights for the Inception network of '
                    f'FID (weights-inception-2015-12-05-6726825d.pth): '
                    f'{first}'
                )
                raise InputError(msg) from error

    def forward(self, images: Tensor) -> Tensor:
        """Features, float32 (N, 2048), of RGB uint8 (N, 3, 299, 299)."""
        return self.network(images)[0]

    def logits(self, features: Tensor) -> Tensor:
        """Logits, float32 (N, 1008), without bias as IS is defined."""
        return features @ self.network.fc.weight.T


def is_inception(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a loaded file looks like Inception's state dict."""
    return _MARK in checkpoint
