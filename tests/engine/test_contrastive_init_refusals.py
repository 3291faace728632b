"""What ContrastiveInitHook refuses."""

import pytest
import torch

from helpers.attack import Attack
from helpers.tiny_runs import (
    KeepStartHook,
    TinyDetector,
    make_runner,
    random_weights,
    resnet,
    save,
)
from mmdet_ddpm_moco.engine.hooks.contrastive_init_hook import (
    ContrastiveInitHook,
)

EPOCHS = dict(by_epoch=True, max_epochs=1)
ITERS = dict(by_epoch=False, max_iters=2)


@pytest.mark.parametrize('resume', [False, True])
def test_a_detector_level_pretrained_is_named(source, other, tmp_path, resume):
    # There is nothing to resume in an empty folder.
    init_cfg = [dict(type='Pretrained', checkpoint=other)]
    runner = make_runner(
        TinyDetector(resnet(), init_cfg=init_cfg),
        tmp_path / 'run',
        [ContrastiveInitHook(source[0])],
        resume=resume,
    )
    with pytest.raises(ValueError, match=r'model\.init_cfg.*other\.pth'):
        runner.train()
    assert KeepStartHook.start is None


@pytest.mark.parametrize('train_cfg', [EPOCHS, ITERS])
def test_load_from_is_named(source, other, tmp_path, train_cfg):
    runner = make_runner(
        TinyDetector(resnet()),
        tmp_path / 'run',
        [ContrastiveInitHook(source[0])],
        load_from=other,
        train_cfg=train_cfg,
    )
    with pytest.raises(ValueError, match=r'load_from=.*other\.pth'):
        runner.train()


def test_an_initialized_model_is_noticed(source, tmp_path):
    model = TinyDetector(resnet())
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(model, tmp_path / 'run', [hook])
    model.init_weights()
    with pytest.raises(ValueError, match='was initialized before the run'):
        runner.train()


@pytest.mark.parametrize(
    ('donor', 'cause'),
    [
        (dict(depth=34), 'a deeper one'),
        (dict(depth=50), 'another depth, width or kind of block'),
        (dict(width=16), 'another depth, width or kind of block'),
        (
            dict(
                num_stages=2,
                strides=(1, 2),
                dilations=(1, 1),
                out_indices=(1,),
            ),
            'a part of one',
        ),
    ],
)
def test_another_network_stops_the_run(tmp_path, donor, cause):
    path = save(random_weights(resnet(**donor)), tmp_path / 'moco.pth')
    runner = make_runner(
        TinyDetector(resnet()), tmp_path / 'run', [ContrastiveInitHook(path)]
    )
    with pytest.raises(ValueError, match=f'fit the backbone.*{cause}') as got:
        runner.train()
    assert '\n' not in str(got.value)
    assert not (tmp_path / 'run' / 'backbone_init.pth').exists()


def test_unknown_names_stop_the_run(source, tmp_path):
    weights = {k.replace('.', '/'): v for k, v in source[1].items()}
    path = save(weights, tmp_path / 'odd.pth')
    runner = make_runner(
        TinyDetector(resnet()), tmp_path / 'run', [ContrastiveInitHook(path)]
    )
    with pytest.raises(ValueError, match=r'coverage 0\.0%.*unknown names'):
        runner.train()


def test_code_in_the_source_is_not_run(source, tmp_path):
    content = torch.load(source[0], weights_only=True)
    content['extra'] = Attack(tmp_path / 'made')
    torch.save(content, source[0])
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(TinyDetector(resnet()), tmp_path / 'run', [hook])
    with pytest.raises(ValueError, match=r'refused.*mkdir') as error:
        runner.train()
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'made').exists()
    assert not (tmp_path / 'run' / 'backbone_init.pth').exists()


def test_a_diverged_source_stops_the_run(source, tmp_path):
    source[1]['layer3.1.conv2.weight'][0, 0, 0, 0] = float('nan')
    path = save(source[1], tmp_path / 'nan.pth')
    runner = make_runner(
        TinyDetector(resnet()), tmp_path / 'run', [ContrastiveInitHook(path)]
    )
    with pytest.raises(ValueError, match=r'NaN.*layer3\.1\.conv2'):
        runner.train()


def test_a_model_without_a_backbone(source, tmp_path):
    model = TinyDetector(resnet())
    model.backbone = None
    hook = ContrastiveInitHook(source[0])
    runner = make_runner(model, tmp_path / 'run', [hook])
    with pytest.raises(ValueError, match='TinyDetector has no `backbone`'):
        runner.train()


@pytest.mark.parametrize('coverage', [0, -1, 1.01, float('nan')])
def test_coverage_out_of_range(coverage):
    with pytest.raises(ValueError, match=r'must be in \(0, 1\]'):
        ContrastiveInitHook('a.pth', min_coverage=coverage)


def test_no_checkpoint_given():
    with pytest.raises(ValueError, match='must be the name of a file'):
        ContrastiveInitHook('')
