import logging
from pathlib import Path

import pytest
import torch
from mmdet.models.backbones import PyramidVisionTransformerV2, SwinTransformer
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.tiny_runs import (
    KeepStartHook,
    TinyDetector,
    log_of,
    make_runner,
    random_weights,
    resnet,
    save,
)
from mmdet_ddpm_moco.checkpoints.weights_only import load_weights_only
from mmdet_ddpm_moco.engine.hooks.contrastive_init_hook import (
    ContrastiveInitHook,
)

EPOCHS = dict(by_epoch=True, max_epochs=1)
ITERS = dict(by_epoch=False, max_iters=2)
KAIMING = dict(type='Kaiming', layer='Conv2d')


def assert_start(weights):
    start = KeepStartHook.start
    assert start.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(start[key], value), key


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERS])
def test_training_starts_from_the_file(source, tmp_path, train_cfg):
    checkpoint, weights = source
    runner = make_runner(
        TinyDetector(resnet(init_cfg=None)),
        tmp_path / 'run',
        [ContrastiveInitHook(checkpoint)],
        train_cfg=train_cfg,
    )
    runner.train()
    # All of them: BN scales too, which the blocks' own init sets to 0.
    assert_start(weights)
    assert 'coverage 100.00 %' in log_of(runner)
    assert f'{len(weights)} weights of the backbone compared' in log_of(runner)
    kept = load_weights_only(tmp_path / 'run' / 'backbone_init.pth')
    assert set(weights) < set(kept['state_dict'])


def test_without_the_hook_the_start_is_another(source, tmp_path):
    """The comparison above can fail."""
    runner = make_runner(TinyDetector(resnet()), tmp_path / 'run')
    runner.train()
    with pytest.raises(AssertionError):
        assert_start(source[1])


@pytest.mark.parametrize('as_list', [False, True])
def test_the_backbones_own_pretrained_is_replaced(
    source, other, tmp_path, as_list
):
    own = dict(type='Pretrained', checkpoint=other, prefix='backbone.')
    backbone = resnet(init_cfg=[KAIMING, own] if as_list else own)
    hook = ContrastiveInitHook(source[0])
    make_runner(TinyDetector(backbone), tmp_path / 'run', [hook]).train()
    assert_start(source[1])


def test_half_precision_and_parameters_left_random(tmp_path):
    weights = random_weights(resnet())
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in weights.items()
        if not key.startswith('layer2.0.conv1')
    }
    path = save(half, tmp_path / 'half.pth')
    hook = ContrastiveInitHook(path, min_coverage=0.9)
    runner = make_runner(TinyDetector(resnet()), tmp_path / 'run', [hook])
    runner.train()
    missing = KeepStartHook.start.pop('layer2.0.conv1.weight')
    assert missing.std() > 0
    assert_start({key: value.to(weights[key]) for key, value in half.items()})
    assert 'missing 1 (layer2.0.conv1.weight)' in log_of(runner)
    assert '1 entries of the backbone do not come' in log_of(runner)


SWIN = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))
PVT = dict(
    embed_dims=8,
    num_layers=[1, 1, 1, 1],
    num_heads=[1, 1, 1, 1],
    mlp_ratios=(2, 2, 2, 2),
)


@pytest.mark.parametrize(
    ('kind', 'settings'),
    [(SwinTransformer, SWIN), (PyramidVisionTransformerV2, PVT)],
)
@pytest.mark.parametrize('convert_weights', [False, True])
def test_backbones_with_an_init_of_their_own(
    tmp_path, kind, settings, convert_weights
):
    backbone = kind(convert_weights=convert_weights, **settings)
    weights = random_weights(backbone)
    weights |= {
        key: value
        for key, value in backbone.state_dict().items()
        if not value.is_floating_point()
    }
    path = save(weights, tmp_path / 'moco.pth')
    hook = ContrastiveInitHook(path)
    make_runner(TinyDetector(backbone), tmp_path / 'run', [hook]).train()
    assert_start(weights)


def test_load_from_without_a_backbone_is_fine(source, tmp_path):
    head = dict(state_dict={'bbox_head.bias': torch.tensor([5.0])})
    torch.save(head, tmp_path / 'head.pth')
    runner = make_runner(
        TinyDetector(resnet()),
        tmp_path / 'run',
        [ContrastiveInitHook(source[0])],
        load_from=str(tmp_path / 'head.pth'),
    )
    runner.train()
    assert_start(source[1])
    assert runner.model.bbox_head.bias.item() == 5


@pytest.mark.parametrize('by_name', [False, True])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_resumed_run_keeps_its_weights(source, tmp_path, by_name, by_epoch):
    unit = 'epoch' if by_epoch else 'iter'

    def run(length, **kwargs):
        runner = make_runner(
            TinyDetector(resnet(norm_eval=False)),
            tmp_path / 'run',
            [ContrastiveInitHook(source[0])],
            lr=1e-3,
            train_cfg={'by_epoch': by_epoch, f'max_{unit}s': length},
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook', interval=1, by_epoch=by_epoch
                )
            ),
            **kwargs,
        )
        runner.train()
        return runner

    # Nothing to resume yet: the file it is.
    run(1, resume=True)
    assert_start(source[1])
    saved = tmp_path / 'run' / f'{unit}_1.pth'
    runner = run(2, resume=True, load_from=str(saved) if by_name else None)
    state = torch.load(saved, weights_only=False)['state_dict']
    trained = {
        key.removeprefix('backbone.'): value
        for key, value in state.items()
        if key.startswith('backbone.')
    }
    assert_start(trained)
    assert not torch.equal(
        trained['bn1.running_mean'], source[1]['bn1.running_mean']
    )
    assert 'resumed at iteration' in log_of(runner)


def test_validation_is_left_alone(tmp_path):
    backbone = resnet()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    init_cfg = backbone.init_cfg
    runner = make_runner(
        TinyDetector(backbone),
        tmp_path / 'run',
        [ContrastiveInitHook('not-there.pth')],
        train_dataloader=dict(dataset=dict(type='NoSuchDataset')),
    )
    runner.val()
    assert backbone.init_cfg is init_cfg
    assert not (tmp_path / 'run' / 'backbone_init.pth').exists()
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])


def test_validation_after_training_changes_nothing(source, tmp_path):
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(TinyDetector(resnet()), tmp_path / 'run', [hook])
    runner.train()
    file = tmp_path / 'run' / 'backbone_init.pth'
    Path(source[0]).unlink()
    file.unlink()
    runner.val()
    assert not file.exists()


def test_a_dumped_config_runs_again_to_the_same(source, tmp_path):
    first = make_runner(
        dict(
            type='TinyDetector',
            backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8),
        ),
        tmp_path / 'run',
        [dict(type='ContrastiveInitHook', checkpoint=source[0])],
    )
    first.train()
    dumped = tmp_path / 'run' / f'{first.timestamp}.py'
    text = dumped.read_text()
    assert 'backbone_init' not in text
    written = (tmp_path / 'run' / 'backbone_init.pth').read_bytes()
    cfg = Config.fromfile(dumped)
    cfg.experiment_name = 'again'
    KeepStartHook.start = None
    Runner.from_cfg(cfg).train()
    assert_start(source[1])
    again = (tmp_path / 'run' / 'backbone_init.pth').read_bytes()
    assert again == written


def test_the_file_it_wrote_is_a_source_too(source, tmp_path):
    for _ in range(2):
        runner = make_runner(
            TinyDetector(resnet()),
            tmp_path / 'run',
            [ContrastiveInitHook(source[0])],
        )
        runner.train()
        assert_start(source[1])
        source = str(tmp_path / 'run' / 'backbone_init.pth'), source[1]


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        (dict(frozen_stages=1), 'frozen_stages=-1'),
        (dict(norm_eval=True), 'norm_eval=False'),
        (
            dict(norm_cfg=dict(type='BN', requires_grad=False)),
            'requires_grad=True',
        ),
    ],
)
def test_freezing_settings_are_named(source, tmp_path, settings, named):
    settings = {'norm_eval': False, **settings}
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(
        TinyDetector(resnet(**settings)), tmp_path / 'run', [hook]
    )
    runner.train()
    assert_start(source[1])
    warned = [s for s in log_of(runner).splitlines() if 'fine-tuned' in s]
    assert len(warned) == 1
    assert named in warned[0]
    assert logging.getLevelName(logging.WARNING) in warned[0]


def test_good_settings_are_not_warned_of(source, tmp_path):
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(
        TinyDetector(resnet(norm_eval=False)), tmp_path / 'run', [hook]
    )
    runner.train()
    assert 'fine-tuned' not in log_of(runner)
