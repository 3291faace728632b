"""The denoising network: diffusers' U-Net, or one with its interface.

Another network is a diffusers model (``ModelMixin`` and ``ConfigMixin``) that
is called as ``unet(noisy, timesteps, class_labels=labels).sample``. Its config
has ``in_channels``, ``out_channels`` and ``num_class_embeds``, and its
attribute ``levels`` says how many resolutions it works at.
"""

from collections.abc import Mapping
from importlib import import_module

from diffusers import ModelMixin, UNet2DModel
from mmengine.registry import MODELS

from ..utils.errors import InputError

# Public classes of the package that a generator's folder may name, beside
# diffusers' U-Net. Their libraries are imported when they are needed.
_OTHERS = ('MMagicDenoisingUnet',)


def build_denoiser(
    unet: Mapping,
    in_channels: int,
    out_channels: int,
    num_class_embeds: int | None,
) -> ModelMixin:
    """Builds the network that a config describes.

    Args:
        unet (Mapping): Arguments of diffusers' ``UNet2DModel``; with a
            ``type``, those of that type.
        in_channels (int): Channels that it is shown.
        out_channels (int): Channels that it predicts.
        num_class_embeds (int | None): Labels it embeds; None for none.
    """
    known = dict(
        in_channels=in_channels,
        out_channels=out_channels,
        num_class_embeds=num_class_embeds,
    )
    if 'type' in unet:
        return MODELS.build(dict(unet, **known))
    return UNet2DModel(**known, **unet)


def denoiser_class(name: str) -> type[ModelMixin]:
    """The class of a saved network, by the name in its ``config.json``.

    Raises:
        ValueError: It is none of ours.
        StackError: Its library is not installed.
    """
    if name == UNet2DModel.__name__:
        return UNet2DModel
    if name not in _OTHERS:
        known = ', '.join([UNet2DModel.__name__, *_OTHERS])
        msg = f'unknown U-Net {name!r} in config.json; known are {known}'
        raise InputError(msg)
    # Not by MMEngine's look-up, which hides the error of a missing library.
    return getattr(import_module('mmdet_ddpm_moco'), name)


def side_multiple(unet: ModelMixin) -> int:
    """Number that the sides of a window must be multiples of."""
    levels = getattr(unet, 'levels', None)
    if levels is None:
        levels = len(unet.config.block_out_channels)
    return 2 ** (levels - 1)
