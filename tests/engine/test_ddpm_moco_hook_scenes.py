"""The one line with scenes: who swaps, until when, and what is ignored."""

import cv2
import numpy as np
import pytest

from helpers.tiny_detection import (
    CLASSES,
    LOAD,
    PACK,
    SIZE,
    KeepBoxesHook,
    detector_config,
    dumped_config,
    faster_rcnn,
    hook,
    run,
)
from helpers.tiny_runs import log_of
from mmdet_ddpm_moco.bank.scenes import write_scenes
from mmdet_ddpm_moco.engine.pipelines import config_pipelines
from mmdet_ddpm_moco.utils.provenance import record_images


@pytest.fixture
def scenes(tmp_path):
    """Two scenes with four boxes each, of which one is to be ignored."""
    (tmp_path / 'img').mkdir()
    for i in range(2):
        pixels = np.random.RandomState(90 + i).randint(0, 255, (SIZE, SIZE))
        cv2.imwrite(str(tmp_path / f'img/{i}.png'), pixels.astype(np.uint8))
    write_scenes(
        tmp_path / 'scenes',
        dict(
            images=[
                dict(id=i, file_name=f'{i}.png', width=SIZE, height=SIZE)
                for i in range(2)
            ],
            annotations=[
                dict(
                    id=10 * i + k + 1,
                    area=100,
                    image_id=i,
                    category_id=1,
                    bbox=[4 + 14 * k, 8, 10, 10],
                    iscrowd=int(k == 3),
                    score=0.9,
                )
                for i in range(2)
                for k in range(4)
            ],
            categories=[
                dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)
            ],
        ),
        tmp_path / 'img',
        {},
        record_images((tmp_path / 'img').iterdir()),
    )
    return str(tmp_path / 'scenes')


def config(data, work_dir, scenes, **settings):
    return detector_config(
        data, work_dir, [hook(scenes=scenes, **settings)], epochs=2
    )


@pytest.mark.parametrize('workers', [0, 1])
def test_every_sample_becomes_a_scene(tmp_path, data, scenes, workers):
    cfg = config(data, tmp_path / 'run', scenes, scene_prob=1.0)
    cfg.train_dataloader.num_workers = workers
    runner = run(cfg)
    # This model cannot ignore: of four boxes the ignored one is painted.
    assert KeepBoxesHook.all() == [3] * 8
    assert KeepBoxesHook.ignored == [0] * 8
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


def test_assigners_are_told_to_ignore(tmp_path, data, scenes):
    cfg = config(data, tmp_path / 'run', scenes, scene_prob=1.0)
    cfg.model = faster_rcnn()
    runner = run(cfg)
    model = runner.model
    for assigner in (
        model.rpn_head.assigner,
        model.roi_head.bbox_assigner,
    ):
        assert assigner.ignore_iof_thr == 0.5
    assert 'ignore_iof_thr=0.5 set for MaxIoUAssigner' in log_of(runner)
    assert KeepBoxesHook.all() == [3] * 8
    assert KeepBoxesHook.ignored == [1] * 8
    losses = [
        float(value)
        for key, value in runner.message_hub.log_scalars.items()
        if 'loss' in key
        for value in value.data[0]
    ]
    assert losses
    assert np.isfinite(losses).all()


def test_a_threshold_that_was_chosen_stays(tmp_path, data, scenes):
    cfg = config(data, tmp_path / 'run', scenes, scene_prob=1.0)
    cfg.model = faster_rcnn()
    cfg.model.train_cfg.rpn.assigner.ignore_iof_thr = 0.8
    runner = run(cfg)
    assert runner.model.rpn_head.assigner.ignore_iof_thr == 0.8
    assert runner.model.roi_head.bbox_assigner.ignore_iof_thr == 0.5


def test_the_dumped_config_says_what_was_run(tmp_path, data, scenes):
    runner = run(config(data, tmp_path / 'run', scenes, scene_prob=0.25))
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    (augment,) = [t for t in pipeline if 'Diffusion' in str(t['type'])]
    assert augment['scenes'] == scenes
    assert augment['scene_prob'] == 0.25
    assert 'bank' not in augment


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
