from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_detection import (
    AUGMENT,
    CLASSES,
    HOOK,
    LOAD,
    KeepBoxesHook,
    coco,
    detector_config,
    faster_rcnn,
    leave_configs_unformatted,
    write_bank,
    write_images,
)
from tiny_runs import KeepStartHook, log_of, random_weights, resnet, save

from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.engine.hooks.ddpm_moco_hook import DDPMMoCoHook
from mmdet_ddpm_moco.engine.pipelines import config_pipelines

PACK = dict(type='PackDetInputs')
ITERS = dict(by_epoch=False, max_iters=3)


@pytest.fixture(autouse=True)
def unformatted(monkeypatch):
    leave_configs_unformatted(monkeypatch)


@pytest.fixture
def data(tmp_path):
    return write_images(tmp_path / 'data')


@pytest.fixture
def bank(tmp_path, data):
    return write_bank(tmp_path / 'bank', data)


def hook(**settings):
    return dict(type=HOOK, **settings)


def always(bank):
    """The hook that gives every image its one added defect."""
    return hook(bank=bank, prob=1.0, max_windows=1)


def augmented(pipeline):
    return [
        i
        for i, t in enumerate(pipeline)
        if 'DiffusionDefectAugment' in str(t['type'])
    ]


def dumped_config(runner):
    (path,) = Path(runner.work_dir).glob('*.py')
    return Config.fromfile(path)


def run(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.parametrize('loop', ['epochs', 'iterations'])
@pytest.mark.parametrize('workers', [0, 1])
def test_training_sees_the_synthesised_defects(
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
    counts = sum(KeepBoxesHook.counts.values(), [])
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
    assert '4 of 4 windows lie on 4 of its 4 images' in log


def test_without_the_hook_there_is_one_box_each(tmp_path, data):
    """What is counted above can differ."""
    run(detector_config(data, tmp_path / 'run'))
    assert sum(KeepBoxesHook.counts.values(), []) == [1] * 4


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
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 6
    # The first batches are not lost with the old iterator.
    assert runner.train_loop.iter == 3


def test_the_dumped_config_says_what_was_run_and_runs_again(
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
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 4
    again = dumped_config(second)
    assert again.train_dataloader == dumped.train_dataloader
    assert 'already, left as it is' in log_of(second)


def test_the_transform_without_the_hook_is_the_other_half(
    tmp_path, data, bank
):
    spelt_out = dict(type=AUGMENT, bank=bank, prob=1.0, max_windows=1)
    cfg = detector_config(data, tmp_path / 'run')
    cfg.train_dataloader.dataset.pipeline = [*LOAD, spelt_out, PACK]
    run(cfg)
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 4


def test_what_is_in_the_pipeline_is_left_as_it_is(tmp_path, data, bank):
    spelt_out = dict(type=AUGMENT, bank=bank, prob=0.0)
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.pipeline = [*LOAD, spelt_out, PACK]
    runner = run(cfg)
    assert sum(KeepBoxesHook.counts.values(), []) == [1] * 4
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


def two_sets(tmp_path, bank_classes=CLASSES, other_classes=CLASSES):
    """A concatenation of two sets, and a bank on the images of the first."""
    first = write_images(tmp_path / 'first')
    second = write_images(tmp_path / 'second', classes=other_classes)
    for path in (second / 'images').iterdir():
        path.rename(path.with_name(f'other{path.name}'))
    json_file = second / 'train.json'
    text = json_file.read_text().replace(
        '"file_name": "', '"file_name": "other'
    )
    json_file.write_text(text)
    bank = write_bank(tmp_path / 'bank', first, classes=bank_classes)
    return first, second, bank


def concatenation(tmp_path, first, second, hooks, other_classes=CLASSES):
    cfg = detector_config(first, tmp_path / 'run', hooks)
    other = coco(second, [PACK])
    other['metainfo'] = dict(classes=other_classes)
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset',
        # Only the first set's metainfo is asked for.
        ignore_keys=['classes'],
        datasets=[coco(first, [PACK]), other],
    )
    return cfg


def test_wrapped_datasets_get_it_each(tmp_path, data, bank):
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    repeated = dict(
        type='RepeatDataset', times=1, dataset=coco(data, [PACK])
    )
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[repeated, coco(data, [PACK])]
    )
    runner = run(cfg)
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 8
    for pipeline in config_pipelines(dumped_config(runner).train_dataloader):
        assert augmented(pipeline) == [2]


def test_a_bank_may_belong_to_one_of_several_sets(tmp_path):
    """It belongs to the training set, if not to every part of it."""
    first, second, bank = two_sets(tmp_path)
    cfg = concatenation(tmp_path, first, second, [always(bank)])
    run(cfg)
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 4 + [1] * 4


def test_sets_with_their_own_order_of_classes(tmp_path, data, bank):
    """The dumped config runs again to the same labels.

    The bank's defects are all scratches: 1 in the one set, 0 in the other.
    """
    turned = CLASSES[::-1]
    other = write_images(tmp_path / 'turned', classes=turned)
    cfg = concatenation(tmp_path, data, other, [always(bank)], turned)
    runner = run(cfg)

    def added(dataset):
        labels = dataset[0]['data_samples'].gt_instances.labels
        assert len(labels) == 2
        return labels[-1].item()

    assert [
        added(d) for d in runner.train_dataloader.dataset.datasets
    ] == [1, 0]
    dumped = dumped_config(runner)
    dumped.work_dir = str(tmp_path / 'again')
    dumped.experiment_name = 'turned'
    again = run(dumped)
    assert [
        added(d) for d in again.train_dataloader.dataset.datasets
    ] == [1, 0]


def test_a_bank_of_other_images_is_refused(tmp_path, data):
    bank = write_bank(tmp_path / 'bank', data, names='other/{}.png')
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    with pytest.raises(ValueError, match='no window') as error:
        run(cfg)
    assert bank in str(error.value)
    assert '\n' not in str(error.value)


def test_a_bank_of_other_classes_is_refused(tmp_path, data):
    bank = write_bank(tmp_path / 'bank', data, classes=('dent', 'rust'))
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    with pytest.raises(ValueError, match='rust'):
        run(cfg)


def test_a_bank_that_is_not_there(tmp_path, data):
    cfg = detector_config(
        data, tmp_path / 'run', [always(str(tmp_path / 'none'))]
    )
    with pytest.raises(FileNotFoundError, match='none'):
        run(cfg)


def test_windows_on_images_that_training_lacks_are_told(tmp_path, data):
    """As filter_empty_gt does with images that have no defect."""
    bank = write_bank(tmp_path / 'bank', data)
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.indices = 3
    log = log_of(run(cfg))
    assert '3 of 4 windows lie on 3 of its 3 images' in log
    assert '1 windows lie on images that the training set lacks' in log


def test_no_pipeline_with_annotations_is_an_error(tmp_path, data, bank):
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.pipeline = [LOAD[0], PACK]
    with pytest.raises(ValueError, match='LoadAnnotations'):
        run(cfg)


@pytest.mark.parametrize('settings', [dict(), dict(prob=0.3)])
def test_neither_bank_nor_checkpoint(settings):
    with pytest.raises(ValueError, match='neither') as error:
        DDPMMoCoHook(**settings)
    assert 'bank' in str(error.value)
    assert 'checkpoint' in str(error.value)


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
    assert sum(KeepBoxesHook.counts.values(), []) == [2] * 4
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


def test_the_checkpoint_alone_leaves_the_data_alone(
    tmp_path, data, weights
):
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(checkpoint=weights[0]), dict(type='KeepStartHook')],
    )
    runner = run(cfg)
    assert_start(weights[1])
    assert sum(KeepBoxesHook.counts.values(), []) == [1] * 4
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


def test_coverage_is_handed_on(tmp_path, data, weights):
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
