"""mmagic's DenoisingUnet as the network of DefectDDPM."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from helpers.mmagic_stack import need_mmagic
from helpers.tiny_banks import OPTIONS, write_images
from helpers.tiny_ddpm import batch, build
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import synthesize_bank

need_mmagic()

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/ddpm/ddpm_mmagic-unet32_1xb16-3ki_neu-det-20shot.py'
DENOISER = dict(
    image_size=32,
    base_channels=8,
    channels_cfg=(1, 2),
    resblocks_per_downsample=1,
    norm_cfg=dict(type='GN', num_groups=4),
    num_heads=2,
    attention_res=[16],
)
UNET = dict(type='mmdet_ddpm_moco.MMagicDenoisingUnet', denoiser=DENOISER)


def build_mmagic(**changes):
    return build(unet=UNET, **changes)


def randomize(model):
    """Some layers start from zero, so that the prediction is zero."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.1
    return model


@torch.no_grad()
def test_it_is_called_as_mmagic_calls_it():
    unet = randomize(build_mmagic()).unet.eval()
    assert type(unet.network).__module__.startswith('mmagic.')
    x = torch.randn(2, 3, 16, 24)
    steps, labels = torch.tensor([7, 700]), torch.tensor([0, 3])
    found = unet(x, steps, class_labels=labels).sample
    assert found.shape == (2, 1, 16, 24)
    expected = unet.network(x, steps, label=labels)['sample']
    assert torch.equal(found, expected)
    # Samplers give one timestep for all windows, as a scalar.
    both = unet(x, torch.tensor(7), class_labels=labels).sample
    torch.testing.assert_close(both[:1], found[:1])
    assert not torch.allclose(both[1], found[1], atol=1e-3)
    other = unet(x, steps, class_labels=labels.flip(0)).sample
    assert not torch.allclose(other, found, atol=1e-3)


@pytest.mark.parametrize('scope', ['mmdet', 'mmengine'])
def test_it_is_built_in_the_scope_of_another_library(scope):
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(
            dict(
                type='mmdet_ddpm_moco.DefectDDPM',
                num_classes=3,
                unet=copy.deepcopy(UNET),
            )
        )
    assert type(model.unet).__name__ == 'MMagicDenoisingUnet'


@pytest.mark.parametrize(
    ('conditioning', 'channels', 'labels'),
    [('mask', 3, 4), ('class', 1, 4), ('none', 1, None)],
)
def test_channels_and_labels_are_filled_in(conditioning, channels, labels):
    unet = build_mmagic(conditioning=conditioning).unet
    assert unet.config.in_channels == channels
    assert unet.config.out_channels == 1
    assert unet.config.num_class_embeds == labels
    assert hasattr(unet.network, 'label_embedding') == (labels is not None)


@pytest.mark.parametrize(
    'wrong',
    [dict(in_channels=3), dict(num_classes=3), dict(unet_type='stable')],
)
def test_what_is_filled_in_is_refused(wrong):
    (name,) = wrong
    unet = dict(UNET, denoiser={**DENOISER, **wrong})
    with pytest.raises(ValueError, match=f'denoiser has {name}=.*remove it'):
        build(unet=unet)


def test_two_iterations_reach_every_layer():
    model = build_mmagic().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        loss = model(**batch(3, size=16), mode='loss')['loss']
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # The last layer starts from zero: at first nothing flows through it.
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_it_learns():
    """Better than the zeros that it starts with: more than noise flows."""
    model = build_mmagic(background_weight=1.0).train()
    data = batch(4, size=16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for step in range(60):
        torch.manual_seed(step % 4)
        loss = model(**data, mode='loss')['loss']
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])


def trained(tmp_path):
    """A generator, trained as tools/train.py does for two iterations."""
    ann_file, folder = write_images(tmp_path / 'data')
    cfg = Config.fromfile(ROOT / CONFIG)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / 'work'),
            'model.num_classes': 3,
            'model.unet.denoiser': DENOISER,
            'train_cfg.max_iters': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.batch_size': 2,
            'train_dataloader.dataset.ann_file': str(ann_file),
            'train_dataloader.dataset.img_prefix': str(folder),
            'train_dataloader.dataset.window': 16,
            'train_dataloader.dataset.max_window': 32,
            'experiment_name': f'mmagic_unet_{tmp_path.name}',
        }
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner, (ann_file, folder)


def test_a_generator_is_trained_exported_and_fills_a_bank(tmp_path):
    runner, images = trained(tmp_path)
    generator = load_generator(tmp_path / 'work' / 'generator')
    assert type(generator.unet).__name__ == 'MMagicDenoisingUnet'
    (averaged,) = (
        hook.ema_model.module
        for hook in runner.hooks
        if hasattr(hook, 'ema_model')
    )
    expected = averaged.unet.state_dict()
    found = generator.unet.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert generator.multiple == 2
    assert generator.conditioning == 'mask'
    manifest = synthesize_bank(
        generator, *images, tmp_path / 'bank', num=1, **OPTIONS
    )
    assert manifest['kept'] >= 1


def test_the_shipped_config_has_the_size_of_diffusers_unet():
    sizes = []
    for name in (CONFIG, CONFIG.replace('mmagic-unet', 'unet')):
        model = MODELS.build(Config.fromfile(ROOT / name).model)
        sizes.append(sum(p.numel() for p in model.parameters()))
    assert sizes[0] == sizes[1] > 4e6
