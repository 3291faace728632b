import pytest
from mmengine.config import Config

from helpers.tiny_detection import (
    AUGMENT,
    CLASSES,
    HOOK,
    LOAD,
    PACK,
    KeepBoxesHook,
    always,
    augmented,
    detector_config,
    dumped_config,
    faster_rcnn,
    run,
)
from helpers.tiny_runs import log_of
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.engine.pipelines import config_pipelines

ITERS = dict(by_epoch=False, max_iters=3)


@pytest.mark.parametrize('loop', ['epochs', 'iterations'])
@pytest.mark.parametrize('workers', [0, 1])
def test_training_uses_the_synthesized_defects(
    tmp_path, data, bank, loop, workers
):
    model = None if workers else faster_rcnn()
    cfg = detector_config(
        data, tmp_path / 'run', [always(bank)], epochs=2, model=model
    )
    cfg.train_dataloader.num_workers = workers
    cfg.train_dataloader.persistent_workers = workers > 0
    if loop == 'iterations':
        cfg.train_cfg = ITERS
        cfg.train_dataloader.sampler = dict(
            type='InfiniteSampler', shuffle=False
        )
    runner = run(cfg)
    counts = KeepBoxesHook.all()
    assert counts == [2] * (6 if loop == 'iterations' else 8)
    (dataset,) = [runner.train_dataloader.dataset]
    kinds = [type(t).__name__ for t in dataset.pipeline.transforms]
    assert kinds == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'DiffusionDefectAugment',
        'PackDetInputs',
    ]
    log = log_of(runner)
    assert 'after LoadAnnotations of the training CocoDataset' in log
    assert '4 of 4 windows are on 4 of its 4 images' in log


def test_without_the_hook_there_is_one_box_each(tmp_path, data):
    """The count above can differ."""
    run(detector_config(data, tmp_path / 'run'))
    assert KeepBoxesHook.all() == [1] * 4


def test_weights_and_visibility_reach_the_transform(tmp_path, data, bank):
    hook = dict(
        always(bank), class_weights=dict(scratch=0), min_visibility=0.5
    )
    runner = run(detector_config(data, tmp_path / 'run', [hook]))
    assert KeepBoxesHook.all() == [1] * 4  # all windows are of scratches
    transform = runner.train_dataloader.dataset.pipeline.transforms[2]
    assert transform.min_visibility == 0.5
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    assert pipeline[2]['class_weights'] == dict(scratch=0)


def test_workers_that_run_already_see_the_new_pipeline(tmp_path, data, bank):
    cfg = detector_config(
        data, tmp_path / 'run', [dict(type='EagerIteratorHook'), always(bank)]
    )
    cfg.train_cfg = ITERS
    cfg.train_dataloader.update(
        num_workers=1,
        persistent_workers=True,
        sampler=dict(type='InfiniteSampler', shuffle=False),
    )
    runner = run(cfg)
    assert KeepBoxesHook.all() == [2] * 6
    # The first batches are not lost with the old iterator.
    assert runner.train_loop.iter == 3


def test_the_dumped_config_holds_what_was_run_and_runs_again(
    tmp_path, data, bank
):
    first = run(detector_config(data, tmp_path / 'a', [always(bank)]))
    dumped = dumped_config(first)
    (pipeline,) = config_pipelines(dumped.train_dataloader)
    assert augmented(pipeline) == [2]
    inserted = pipeline[2]
    assert inserted['type'] == AUGMENT
    assert inserted['bank'] == bank
    assert inserted['prob'] == 1.0
    assert inserted['max_windows'] == 1
    assert list(inserted['classes']) == list(CLASSES)
    assert dumped.custom_hooks[0]['type'] == HOOK
    hub = Config.fromstring(first.message_hub.get_info('cfg'), '.py')
    assert hub.train_dataloader == dumped.train_dataloader

    dumped.work_dir = str(tmp_path / 'b')
    dumped.experiment_name = 'again'
    second = run(dumped)
    transforms = second.train_dataloader.dataset.pipeline.transforms
    assert sum(isinstance(t, DiffusionDefectAugment) for t in transforms) == 1
    assert KeepBoxesHook.all() == [2] * 4
    again = dumped_config(second)
    assert again.train_dataloader == dumped.train_dataloader
    assert 'already, left as it is' in log_of(second)


def test_the_transform_without_the_hook_is_the_other_half(
    tmp_path, data, bank
):
    spelled_out = dict(type=AUGMENT, bank=bank, prob=1.0, max_windows=1)
    cfg = detector_config(data, tmp_path / 'run')
    cfg.train_dataloader.dataset.pipeline = [*LOAD, spelled_out, PACK]
    run(cfg)
    assert KeepBoxesHook.all() == [2] * 4


def test_what_is_in_the_pipeline_is_left_as_it_is(tmp_path, data, bank):
    spelled_out = dict(type=AUGMENT, bank=bank, prob=0.0)
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.pipeline = [*LOAD, spelled_out, PACK]
    runner = run(cfg)
    assert KeepBoxesHook.all() == [1] * 4
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    assert augmented(pipeline) == [2]
    assert pipeline[2]['prob'] == 0.0


def test_the_pipeline_of_the_last_epochs_is_changed_too(tmp_path, data, bank):
    switch = dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=1,
        switch_pipeline=[*LOAD, dict(type='RandomFlip', prob=0.0), PACK],
    )
    cfg = detector_config(
        data, tmp_path / 'run', [switch, always(bank)], epochs=2
    )
    runner = run(cfg)
    assert KeepBoxesHook.counts == {0: [2] * 4, 1: [2] * 4}
    kinds = [
        type(t).__name__
        for t in runner.train_dataloader.dataset.pipeline.transforms
    ]
    assert kinds.index('DiffusionDefectAugment') == 2
    assert 'RandomFlip' in kinds
    dumped = dumped_config(runner)
    (pipeline,) = config_pipelines(dumped.custom_hooks)
    assert augmented(pipeline) == [2]
