from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from helpers.tiny_detection import (
    PACK,
    KeepBoxesHook,
    augmented,
    coco,
    detector_config,
    dumped_config,
    faster_rcnn,
    hook,
    run,
)
from helpers.tiny_runs import (
    KeepStartHook,
    log_of,
    random_weights,
    resnet,
    save,
)
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.engine.pipelines import config_pipelines


@pytest.mark.parametrize('stages', [None, {}, dict(root='r', bank=None)])
def test_neither_bank_nor_checkpoint(tmp_path, data, stages):
    cfg = detector_config(data, tmp_path / 'run', [hook(prob=0.3)])
    cfg.stages = stages
    with pytest.raises(ValueError, match='got none') as error:
        run(cfg)
    assert 'bank' in str(error.value)
    assert 'checkpoint' in str(error.value)
    assert '\n' not in str(error.value)


def test_the_stages_outputs_are_used(tmp_path, data, bank):
    """MMDetection's tools/train.py reads a config with `stages`, too."""
    (tmp_path / 'root' / 'moco').mkdir(parents=True)
    Path(bank).rename(tmp_path / 'root' / 'bank')
    weights = random_weights(resnet())
    save(weights, tmp_path / 'root' / 'moco' / 'backbone.pth')
    cfg = detector_config(
        data, tmp_path / 'run', [hook(prob=1.0), dict(type='KeepStartHook')]
    )
    cfg.stages = dict(
        root=str(tmp_path / 'root'), bank=dict(num=4), backbone=dict()
    )
    cfg.stages.backbone.config = 'moco.py'
    run(cfg)
    assert set(KeepBoxesHook.all()) == {2}
    for key, value in weights.items():
        assert torch.equal(KeepStartHook.start[key], value)


def test_validation_and_test_are_left_alone(tmp_path, data):
    """Neither bank nor checkpoint nor training data need to be there."""
    settings = dict(bank='no-bank', checkpoint='no-checkpoint.pth')
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=coco(
            data, [dict(type='Resize', scale=(64, 64)), PACK], test_mode=True
        ),
    )
    evaluator = dict(type='CocoMetric', ann_file=str(data / 'train.json'))
    parts = {}
    for part in ('val', 'test'):
        parts[f'{part}_dataloader'] = loader
        parts[f'{part}_evaluator'] = evaluator
        parts[f'{part}_cfg'] = dict()
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(**settings)],
        model=faster_rcnn(),
        **parts,
    )
    cfg.train_dataloader.dataset = dict(type='NoSuchDataset')
    runner = Runner.from_cfg(cfg)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    for go in (runner.val, runner.test):
        assert 'coco/bbox_mAP' in go()
    assert isinstance(runner._train_loop, dict)
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, before[key])
    for loop in (runner.val_loop, runner.test_loop):
        transforms = loop.dataloader.dataset.pipeline.transforms
        assert not any(
            isinstance(t, DiffusionDefectAugment) for t in transforms
        )
    assert dumped_config(runner).train_dataloader.dataset == dict(
        type='NoSuchDataset'
    )


@pytest.fixture
def weights(tmp_path, data):
    """A checkpoint for the detector's backbone, and what is in it."""
    weights = random_weights(resnet())
    return save(weights, tmp_path / 'moco.pth'), weights


def assert_start(weights):
    assert KeepStartHook.start.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(KeepStartHook.start[key], value), key


def test_both_halves_and_a_resume(tmp_path, data, bank, weights):
    checkpoint, expected = weights
    both = hook(bank=bank, checkpoint=checkpoint, prob=1.0, max_windows=1)

    def config(epochs, **changes):
        return detector_config(
            data,
            tmp_path / 'run',
            [both, dict(type='KeepStartHook')],
            epochs,
            faster_rcnn(),
            **changes,
        )

    first = run(config(1))
    assert_start(expected)
    assert KeepBoxesHook.all() == [2] * 4
    count = len(expected)
    assert f'{count} weights of the backbone compared' in log_of(first)
    trained = {
        key: value.clone()
        for key, value in first.model.backbone.state_dict().items()
    }
    moved = [k for k, v in expected.items() if not torch.equal(v, trained[k])]
    assert moved

    second = run(config(2, resume=True))
    assert_start(trained)
    assert KeepBoxesHook.counts == {1: [2] * 4}
    assert 'resumed at iteration 2' in log_of(second)


def test_the_checkpoint_alone_leaves_the_data_alone(tmp_path, data, weights):
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(checkpoint=weights[0]), dict(type='KeepStartHook')],
    )
    runner = run(cfg)
    assert_start(weights[1])
    assert KeepBoxesHook.all() == [1] * 4
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    assert augmented(pipeline) == []


def test_weights_that_are_replaced_are_an_error(tmp_path, data, weights):
    """The values are compared with what training starts from."""
    checkpoint, expected = weights
    other = {
        f'backbone.{key}': value + 1 if value.is_floating_point() else value
        for key, value in expected.items()
    }
    torch.save(dict(state_dict=other), tmp_path / 'other.pth')
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(checkpoint=checkpoint)],
        load_from=str(tmp_path / 'other.pth'),
    )
    with pytest.raises(ValueError, match='load_from'):
        run(cfg)


def test_min_coverage_is_passed_on(tmp_path, data, weights):
    checkpoint, expected = weights
    half = dict(list(expected.items())[: len(expected) // 2])
    save(half, checkpoint)
    for lowest in (0.9, 0.01):
        cfg = detector_config(
            data,
            tmp_path / f'run{lowest}',
            [hook(checkpoint=checkpoint, min_coverage=lowest)],
        )
        if lowest > 0.5:
            with pytest.raises(ValueError, match='coverage'):
                run(cfg)
        else:
            run(cfg)
