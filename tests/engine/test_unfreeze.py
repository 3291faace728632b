"""``unfreeze=True``: stages that the config freezes are trained."""

import copy

import pytest
import torch
from mmdet.models.backbones import ResNet, SwinTransformer
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from helpers.tiny_runs import (
    KeepStartHook,
    TinyDetector,
    log_of,
    make_runner,
    random_weights,
    resnet,
    save,
)
from mmdet_ddpm_moco.engine.backbone_settings import (
    freezing_settings,
    unfreeze_backbone,
)
from mmdet_ddpm_moco.engine.hooks.contrastive_init_hook import (
    ContrastiveInitHook,
)
from mmdet_ddpm_moco.engine.hooks.ddpm_moco_hook import DDPMMoCoHook
from mmdet_ddpm_moco.models.backbones.efficientnet_lite import EfficientNetLite

FROZEN = [
    dict(frozen_stages=2, norm_eval=True),
    dict(frozen_stages=0, norm_eval=False),
    dict(norm_eval=True),
    dict(norm_cfg=dict(type='BN', requires_grad=False)),
]


def unchanged(module):
    """Names of parameters and statistics that training did not change."""
    now = module.state_dict()
    start = KeepStartHook.start
    return {
        key
        for key, value in now.items()
        if value.is_floating_point()
        and torch.equal(value, start[key])
        # Its maps are of one pixel, which batch norm over two leaves no
        # gradient.
        and not key.startswith('layer4')
    }


def train(tmp_path, settings, hook=ContrastiveInitHook, **options):
    path = save(random_weights(resnet()), tmp_path / 'moco.pth')
    runner = make_runner(
        TinyDetector(resnet(**settings)),
        tmp_path / 'run',
        [hook(checkpoint=path, **options)],
        lr=0.1,
        train_cfg=dict(by_epoch=True, max_epochs=2),
    )
    runner.train()
    return runner


@pytest.mark.parametrize('settings', FROZEN)
@pytest.mark.parametrize('hook', [ContrastiveInitHook, DDPMMoCoHook])
def test_all_of_the_backbone_trains(tmp_path, settings, hook):
    runner = train(tmp_path, settings, hook, unfreeze=True)
    assert unchanged(runner.model.backbone) == set()
    assert 'unfreeze=True' in log_of(runner)
    assert 'fine-tuned with' not in log_of(runner)


@pytest.mark.parametrize('settings', FROZEN)
def test_without_it_a_part_stays(tmp_path, settings):
    """The test above can fail."""
    runner = train(tmp_path, settings)
    assert unchanged(runner.model.backbone)
    assert 'fine-tuned with' in log_of(runner)


def test_a_backbone_that_is_free_is_left_alone(tmp_path):
    runner = train(tmp_path, dict(norm_eval=False), unfreeze=True)
    assert 'unfreeze=True' not in log_of(runner)


@pytest.mark.parametrize(
    'backbone',
    [
        lambda: ResNet(18, base_channels=8, frozen_stages=4),
        lambda: EfficientNetLite(frozen_stages=3, norm_eval=True),
        lambda: SwinTransformer(
            embed_dims=8,
            depths=(1, 1, 1, 1),
            num_heads=(1, 1, 1, 1),
            frozen_stages=3,
        ),
    ],
)
def test_backbones_of_other_kinds(tmp_path, backbone):
    model = TinyDetector(backbone())
    runner = make_runner(model, tmp_path)
    model.train()
    assert any(not p.requires_grad for p in model.backbone.parameters())
    unfreeze_backbone(runner, model.backbone)
    # Backbones freeze themselves again in train().
    model.train()
    assert all(p.requires_grad for p in model.backbone.parameters())
    assert all(module.training for module in model.backbone.modules())
    assert freezing_settings(model.backbone) == []


def test_a_wrapped_model_exchanges_all_gradients(tmp_path, monkeypatch):
    """DistributedDataParallel fixes the gradients it exchanges when built."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    try:
        model = TinyDetector(resnet(frozen_stages=1))
        runner = make_runner(copy.deepcopy(model), tmp_path / 'run')
        runner._distributed = True
        runner.cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel', device_ids=None
        )
        runner.model = MMDistributedDataParallel(model, device_ids=None)
        unfreeze_backbone(runner, model.backbone)
        assert isinstance(runner.model, MMDistributedDataParallel)
        assert runner.model.module is model
        exchanged = {
            id(p) for p, _ in zip(*runner.model._build_params_for_reducer())
        }
        assert {id(p) for p in model.backbone.parameters()} <= exchanged
        images = torch.ones(2, 3, 32, 32)
        runner.model.train()
        runner.model(images, mode='loss')['loss'].backward()
        assert model.backbone.conv1.weight.grad is not None
    finally:
        torch.distributed.destroy_process_group()


def test_another_wrapper_names_what_to_set(tmp_path):
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    model = TinyDetector(resnet(frozen_stages=1))
    runner = make_runner(model, tmp_path)
    MODEL_WRAPPERS.register_module(module=Wrapper, force=True)
    runner.model = Wrapper(model)
    with pytest.raises(ValueError, match=r'Wrapper; set frozen_stages'):
        unfreeze_backbone(runner, model.backbone)
