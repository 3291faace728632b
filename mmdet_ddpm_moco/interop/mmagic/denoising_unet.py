"""mmagic's U-Net as the network of our generator."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.models.unets.unet_2d import UNet2DOutput
from mmagic.registry import MODELS as MMAGIC_MODELS
from mmengine.registry import MODELS

from ...utils.errors import InputError

# What :class:`DefectDDPM` determines.
_FILLED_IN = ('in_channels', 'out_channels', 'num_classes', 'output_cfg')


@MODELS.register_module()
class MMagicDenoisingUnet(ModelMixin, ConfigMixin):
    """mmagic's ``DenoisingUnet``, called and saved like diffusers' U-Nets.

    It is that of improved DDPM (arXiv 2102.09672), with the residual blocks
    and attention of mmagic. Training, export and synthesis are the same as
    with diffusers' ``UNet2DModel``.

    Args:
        in_channels (int): Channels that it is shown; :class:`DefectDDPM`
            fills them in.
        out_channels (int): Channels that it predicts; filled in too.
        num_class_embeds (int, optional): Labels; filled in too.
        denoiser (Mapping): Arguments of ``DenoisingUnet`` as in a config of
            mmagic, but for channels, classes and ``output_cfg``: what the
            output means is the scheduler's ``prediction_type``. Its
            ``image_size`` only determines at which resolutions there is
            attention, ``attention_res``; windows may have other sizes.
            ``unet_type='stable'``, which needs a text, is not supported.

    Raises:
        ValueError: ``denoiser`` has arguments that are filled in.

    Examples:
        >>> model = dict(
        ...     type='mmdet_ddpm_moco.DefectDDPM',
        ...     num_classes=6,
        ...     unet=dict(
        ...         type='mmdet_ddpm_moco.MMagicDenoisingUnet',
        ...         denoiser=dict(image_size=64, base_channels=32)))
    """

    config_name = 'config.json'

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_class_embeds: int | None = None,
        denoiser: Mapping | None = None,
    ) -> None:
        super().__init__()
        denoiser = _plain(denoiser or {})
        wrong = sorted({*_FILLED_IN} & {*denoiser})
        if wrong or denoiser.get('unet_type'):
            name = wrong[0] if wrong else 'unet_type'
            msg = (
                f'denoiser has {name}={denoiser[name]!r}, which DefectDDPM '
                'determines; remove it'
            )
            raise InputError(msg)
        self.register_to_config(
            in_channels=in_channels,
            out_channels=out_channels,
            num_class_embeds=num_class_embeds,
            denoiser=denoiser,
        )
        # Its blocks are built in the default scope, which another library
        # may have set.
        self.network = MMAGIC_MODELS.build(
            dict(
                denoiser,
                type='DenoisingUnet',
                _scope_='mmagic',
                in_channels=in_channels,
                out_channels=out_channels,
                num_classes=num_class_embeds or 0,
            )
        )

    @property
    def levels(self) -> int:
        """Resolutions that it works at."""
        return len(self.network.channel_factor_list)

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        class_labels: torch.Tensor | None = None,
    ) -> UNet2DOutput:
        """Predicts as diffusers' ``UNet2DModel`` does.

        Args:
            sample (torch.Tensor): float (N, in_channels, H, W).
            timestep (torch.Tensor): int64, a scalar or (N, ).
            class_labels (torch.Tensor, optional): int64 (N, ).

        Returns:
            UNet2DOutput: With ``sample``, (N, out_channels, H, W).
        """
        found = self.network(sample, timestep, label=class_labels)
        return UNet2DOutput(sample=found['sample'])


def _plain(value: Any) -> Any:
    """Mappings and sequences as the types that json knows."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
