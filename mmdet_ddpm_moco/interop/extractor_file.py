"""Our feature extractors as files that mmagic's metrics take.

mmagic's FID and IS would download an Inception network. With
``inception_style='StyleGAN'`` they take any TorchScript file of that
network's form, as ``inception_path``.
"""

import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..evaluation.features import Extractor
from ..utils.fileio import atomic_write_bytes


class _FeaturesAndLogits(nn.Module):
    """Both outputs of an extractor at once; logits may be empty."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.extractor(images)
        logits = self.extractor.logits(features)
        return features, features[:, :0] if logits is None else logits


class _StyleGANForm(nn.Module):
    """The outputs of an extractor, chosen as mmagic's metrics do."""

    def __init__(self, traced: nn.Module, size: int) -> None:
        super().__init__()
        self.traced = traced
        self.size = size

    def forward(
        self,
        x: Tensor,
        return_features: bool = False,
        no_output_bias: bool = False,
    ) -> Tensor:
        if x.shape[2] != self.size or x.shape[3] != self.size:
            x = interpolate(
                x.float(),
                [self.size, self.size],
                mode='bilinear',
                align_corners=False,
                antialias=True,
            )
            x = x.round().clamp(0, 255).to(torch.uint8)
        features, logits = self.traced(x)
        if return_features:
            return features
        if logits.shape[1] == 0:
            msg = 'this extractor has no classes for an IS'
            raise RuntimeError(msg)
        return logits.softmax(dim=1)


@torch.no_grad()
def export_extractor(extractor: Extractor, file: str | Path) -> Path:
    """Writes an extractor for ``inception_path`` of mmagic's FID and IS.

    The file has a scripted module, from RGB uint8 (N, 3, H, W) to features
    with ``return_features=True``, else to probabilities of classes. They are
    those of ``tools/evaluate_bank.py``, so ``no_output_bias`` changes
    nothing. Images of another size than the extractor's are resized.

    Args:
        extractor (nn.Module): From :func:`choose_extractor`.
        file (str | Path): The file to write, and to return.
    """
    # Enough that no layer takes its path for few images, which depends on
    # threads.
    example = torch.randint(
        0, 256, (16, 3, extractor.size, extractor.size), dtype=torch.uint8
    )
    with warnings.catch_warnings():
        # Sizes become constants, as they are meant to.
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        traced = torch.jit.trace(
            _FeaturesAndLogits(extractor.cpu().eval()), example
        )
    scripted = torch.jit.script(_StyleGANForm(traced, extractor.size))
    buffer = io.BytesIO()
    torch.jit.save(scripted, buffer)
    atomic_write_bytes(file, buffer.getvalue())
    return Path(file)
