"""Choosing a feature extractor by what the user gave."""

from collections.abc import Callable
from typing import Any

from .features import FeatureExtractor, backbone_features, lite0_features
from .inception import InceptionFeatures, is_inception

LITE0 = 'lite0'


def choose_extractor(
    source: str, load: Callable[[str], dict[str, Any]]
) -> FeatureExtractor | InceptionFeatures:
    """Builds the extractor of a name or file.

    Args:
        source (str): ``'lite0'``, the weights of FID's Inception network, or
            a ``backbone.pth`` of this package.
        load (Callable): Reads a checkpoint safely, as
            ``engine.checkpoints.load_weights_only`` does.

    Returns:
        nn.Module: From RGB uint8 (N, 3, size, size) to float32 (N, D), with
        ``name``, ``size`` and ``logits``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither of them, or unsafe.
        StackError: A package is missing.
    """
    if source == LITE0:
        return lite0_features()
    checkpoint = load(source)
    if is_inception(checkpoint):
        return InceptionFeatures(checkpoint, source)
    return backbone_features(checkpoint, source)
