"""The network of the generator: diffusers' own, or another one."""

import pytest
import torch
from diffusers import UNet2DModel
from mmengine.registry import MODELS

from helpers.tiny_ddpm import UNET, batch, build
from mmdet_ddpm_moco.models.denoiser import (
    build_denoiser,
    denoiser_class,
    side_multiple,
)


class Other(UNet2DModel):
    """Another network: it counts its calls, and says its levels itself."""

    levels = 4

    def __init__(self, twice, **arguments):
        super().__init__(**{**UNET, **arguments})
        self.twice = twice
        self.calls = []

    def forward(self, sample, timestep, class_labels=None):
        self.calls.append((sample.shape, timestep.shape, class_labels))
        found = super().forward(sample, timestep, class_labels=class_labels)
        found.sample = found.sample * (2 if self.twice else 1)
        return found


@pytest.fixture
def other():
    MODELS.register_module('OtherNetwork', module=Other)
    yield
    MODELS.module_dict.pop('OtherNetwork')


def test_without_a_type_it_is_diffusers():
    unet = build_denoiser(UNET, 3, 1, None)
    assert type(unet) is UNet2DModel
    assert (unet.config.in_channels, unet.config.out_channels) == (3, 1)
    assert unet.config.num_class_embeds is None
    assert side_multiple(unet) == 2


def test_another_network_is_trained_with_what_is_filled_in(other):
    unet = dict(type='OtherNetwork', twice=True)
    model = build(unet=unet).eval()
    assert unet == dict(type='OtherNetwork', twice=True)
    assert type(model.unet) is Other
    assert model.unet.config.in_channels == 3
    assert model.unet.config.num_class_embeds == 4
    assert side_multiple(model.unet) == 8
    data = batch(2)
    plain = build(unet=dict(unet, twice=False)).eval()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        torch.manual_seed(0)
        doubled = model(**data)
        torch.manual_seed(0)
        expected = 2 * plain(**data)
    torch.testing.assert_close(doubled, expected)
    ((shape, steps, labels),) = model.unet.calls
    assert shape == (2, 3, 16, 16) and steps == (2,)
    assert torch.equal(labels, data['label'])


def test_a_folder_names_known_networks_only():
    assert denoiser_class('UNet2DModel') is UNet2DModel
    with pytest.raises(ValueError, match="unknown U-Net 'AutoencoderKL'"):
        denoiser_class('AutoencoderKL')
