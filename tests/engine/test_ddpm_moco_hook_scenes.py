"""The one line with scenes: who swaps, and until when."""

import pytest

from helpers.tiny_detection import (
    LOAD,
    PACK,
    KeepBoxesHook,
    detector_config,
    dumped_config,
    hook,
    run,
)
from helpers.tiny_runs import log_of
from helpers.tiny_scenes import make_scenes
from mmdet_ddpm_moco.engine.pipelines import config_pipelines


@pytest.fixture
def scenes(tmp_path):
    return make_scenes(tmp_path)


def config(data, work_dir, scenes, **settings):
    return detector_config(
        data, work_dir, [hook(scenes=scenes, **settings)], epochs=2
    )


@pytest.mark.parametrize('workers', [0, 1])
def test_every_sample_becomes_a_scene(tmp_path, data, scenes, workers):
    cfg = config(data, tmp_path / 'run', scenes, scene_prob=1.0)
    cfg.train_dataloader.num_workers = workers
    runner = run(cfg)
    assert KeepBoxesHook.all() == [3] * 8
    assert '2 of 2 scenes have labels' in log_of(runner)


@pytest.mark.parametrize('workers', [0, 1])
def test_the_end_of_the_training_sees_true_labels(
    tmp_path, data, scenes, workers
):
    cfg = config(data, tmp_path / 'run', scenes, scene_prob=1.0, scene_end=0.5)
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.persistent_workers = workers > 0
    if workers:
        cfg.train_dataloader.prefetch_factor = 1
    cfg.train_dataloader.batch_size = 1
    cfg.train_cfg.max_epochs = 4
    runner = run(cfg)
    counts = KeepBoxesHook.all()
    assert len(counts) == 16
    # What a worker has prepared by then is still used.
    assert counts[:8] == [3] * 8
    assert counts[10:] == [1] * 6
    assert 'true labels alone from iteration 8' in log_of(runner)


def test_the_scenes_of_the_stages_are_used(tmp_path, data, scenes):
    cfg = config(data, tmp_path / 'run', None, scene_prob=1.0)
    cfg.stages = dict(root=str(tmp_path), teacher=dict(unlabeled='u.json'))
    runner = run(cfg)
    assert KeepBoxesHook.all() == [3] * 8
    assert f'training uses {scenes}: 2 of 2' in log_of(runner)


def test_the_dumped_config_says_what_was_run(tmp_path, data, scenes):
    runner = run(config(data, tmp_path / 'run', scenes, scene_prob=0.25))
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    (augment,) = [t for t in pipeline if 'Diffusion' in str(t['type'])]
    assert augment['scenes'] == scenes
    assert augment['scene_prob'] == 0.25
    assert 'bank' not in augment


def test_few_scenes_are_drawn_as_often_as_there_are_some(
    tmp_path, data, scenes
):
    runner = run(config(data, tmp_path / 'run', scenes))
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    (augment,) = [t for t in pipeline if 'Diffusion' in str(t['type'])]
    # Two scenes, four labeled images.
    assert augment['scene_prob'] == pytest.approx(2 / 6)
    log = log_of(runner)
    assert 'beside 4 labeled images with a defect' in log
    assert 'with probability 0.33' in log
    assert 'scene_prob=0.333333' in log


def test_scenes_of_test_images_stop_the_run(tmp_path, data, scenes):
    cfg = config(data, tmp_path / 'run', scenes)
    dataset = cfg.train_dataloader.dataset.copy()
    dataset.update(
        data_root=str(tmp_path),
        ann_file='scenes/annotations.json',
        data_prefix=dict(img='img/'),
        test_mode=True,
        pipeline=[*LOAD[:1], PACK],
    )
    cfg.val_dataloader = dict(cfg.train_dataloader, dataset=dataset)
    cfg.val_cfg = dict()
    cfg.val_evaluator = dict(
        type='CocoMetric', ann_file=str(tmp_path / 'scenes/annotations.json')
    )
    with pytest.raises(ValueError, match='validation and test images'):
        run(cfg)


@pytest.mark.parametrize(
    'settings', [dict(scene_prob=2), dict(scene_end=0), dict(scene_end=1.5)]
)
def test_numbers_out_of_range(tmp_path, data, scenes, settings):
    with pytest.raises(ValueError, match='must be in'):
        run(config(data, tmp_path / 'run', scenes, **settings))
