import pytest

from helpers.tiny_detection import (
    CLASSES,
    LOAD,
    PACK,
    KeepBoxesHook,
    always,
    augmented,
    coco,
    detector_config,
    dumped_config,
    run,
    write_bank,
    write_images,
)
from helpers.tiny_runs import log_of
from mmdet_ddpm_moco.engine.pipelines import config_dicts, config_pipelines


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
    repeated = dict(type='RepeatDataset', times=1, dataset=coco(data, [PACK]))
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[repeated, coco(data, [PACK])]
    )
    runner = run(cfg)
    assert KeepBoxesHook.all() == [2] * 8
    for pipeline in config_pipelines(dumped_config(runner).train_dataloader):
        assert augmented(pipeline) == [2]


def test_a_bank_may_belong_to_one_of_several_sets(tmp_path):
    """It belongs to a part of the training set."""
    first, second, bank = two_sets(tmp_path)
    cfg = concatenation(tmp_path, first, second, [always(bank)])
    run(cfg)
    assert KeepBoxesHook.all() == [2] * 4 + [1] * 4


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

    assert [added(d) for d in runner.train_dataloader.dataset.datasets] == [
        1,
        0,
    ]
    dumped = dumped_config(runner)
    dumped.work_dir = str(tmp_path / 'again')
    dumped.experiment_name = 'turned'
    again = run(dumped)
    assert [added(d) for d in again.train_dataloader.dataset.datasets] == [
        1,
        0,
    ]


def test_classes_in_another_order_than_in_the_file_are_refused(
    tmp_path, data, bank
):
    """mmdet numbers them as the file does: pasted labels would be wrong."""
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    for dataset in config_dicts(cfg.train_dataloader):
        if 'metainfo' in dataset:
            dataset.metainfo = dict(classes=CLASSES[::-1])
    with pytest.raises(ValueError, match='in the order of the file'):
        run(cfg)


def test_a_bank_of_other_images_is_refused(tmp_path, data):
    bank = write_bank(tmp_path / 'bank', data, names='other/{}.png')
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    with pytest.raises(ValueError, match='no window') as error:
        run(cfg)
    assert bank in str(error.value)
    assert '\n' not in str(error.value)


def test_a_bank_that_is_not_there(tmp_path, data):
    cfg = detector_config(
        data, tmp_path / 'run', [always(str(tmp_path / 'none'))]
    )
    with pytest.raises(FileNotFoundError, match='none'):
        run(cfg)


def test_windows_on_images_that_training_lacks_are_reported(tmp_path, data):
    """As filter_empty_gt does with images that have no defect."""
    bank = write_bank(tmp_path / 'bank', data)
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.indices = 3
    log = log_of(run(cfg))
    assert '3 of 4 windows are on 3 of its 3 images' in log
    assert '1 windows are not used: they are on images that the' in log


def test_no_pipeline_with_annotations_is_an_error(tmp_path, data, bank):
    cfg = detector_config(data, tmp_path / 'run', [always(bank)])
    cfg.train_dataloader.dataset.pipeline = [LOAD[0], PACK]
    with pytest.raises(ValueError, match='LoadAnnotations'):
        run(cfg)
