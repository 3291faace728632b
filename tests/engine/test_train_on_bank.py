"""Train on synthetic, test on real."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from helpers.tiny_detection import (
    CLASSES,
    LOAD,
    PACK,
    SIZE,
    build_dataset,
    coco,
    faster_rcnn,
    hook,
    write_bank,
    write_images,
)
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.engine.train_on_bank import IGNORE, train_on_bank

RESIZE = dict(type='Resize', scale=(SIZE, SIZE))


class Tools:
    """Runs the tools in this process, which is faster."""

    def __init__(self):
        self.calls = []

    def __call__(self, command, log, on_line=None):
        name = Path(command[1]).name
        self.calls.append(name)
        argv, sys.argv = sys.argv, command[1:]
        try:
            # As in a new process, where no other test has set a scope.
            with DefaultScope.overwrite_default_scope('mmdet'):
                runpy.run_path(command[1])['main']()
        finally:
            sys.argv = argv
        return 1.0


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """A detector with all settings that another training must change."""
    root = write_images(tmp_path / 'data')
    write_bank(tmp_path / 'bank', root)
    write_images(tmp_path / 'real', 3)
    dataset = coco(root, [PACK])
    shown = dict(dataset, test_mode=True, pipeline=[LOAD[0], RESIZE, PACK])
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    evaluator = dict(type='CocoMetric', ann_file=str(root / 'train.json'))
    return Config(
        dict(
            default_scope='mmdet',
            model=faster_rcnn(),
            train_dataloader=dict(
                loader,
                dataset=dict(type='RepeatDataset', times=1, dataset=dataset),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            val_dataloader=dict(loader, dataset=shown),
            val_cfg=dict(),
            val_evaluator=evaluator,
            test_dataloader=dict(loader, dataset=shown),
            test_cfg=dict(),
            test_evaluator=evaluator,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4)),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', save_best='auto')
            ),
        )
    )


def run(tmp_path, cfg, command=None):
    file = tmp_path / 'judge.py'
    file.write_text(cfg.pretty_text)
    weights = tmp_path / 'judge.pth'
    # One judge for all calls of a test: random weights differ.
    if not weights.exists():
        built = MODELS.build(Config.fromfile(file).model)
        torch.save(dict(state_dict=built.state_dict()), weights)
    data = tmp_path / 'data'
    return train_on_bank(
        DefectBank(tmp_path / 'bank'),
        LabeledImages(data / 'train.json', data / 'images'),
        (file, weights),
        (tmp_path / 'real' / 'train.json', tmp_path / 'real' / 'images'),
        tmp_path / 'out',
        command,
    )


def test_a_detector_is_trained_on_the_bank_alone(tmp_path, judge):
    tools = Tools()
    judge.stages = dict(backbone=dict(config='moco.py'), admission=dict())
    found = run(tmp_path, judge, tools)
    assert tools.calls == ['train.py', 'test.py', 'test.py']
    assert (found['images'], found['boxes']) == (4, 4)
    for side in ('judge', 'bank'):
        assert set(found[side]) == {'AP', 'AP50', 'AP75', 'classes'}
        assert set(found[side]['classes']) == set(CLASSES)
    learner, shown = (
        Config.fromfile(tmp_path / 'out' / name / 'detector.py')
        for name in ('detector', 'judge')
    )
    assert {*learner.stages} == {'backbone'}
    # In each image the real defect is ignored, the one of the bank is not.
    dataset = build_dataset(learner.train_dataloader.dataset.dataset)
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        assert sample.gt_instances.labels.tolist() == [len(CLASSES) - 1]
        assert sample.gt_instances.bboxes.tensor.tolist() == [[39, 39, 49, 49]]
        assert sample.ignored_instances.bboxes.tensor.tolist() == [
            [4, 6, 16, 16]
        ]
    parts = learner.model.train_cfg
    assert parts.rpn.assigner.ignore_iof_thr == IGNORE
    assert parts.rcnn.assigner.ignore_iof_thr == IGNORE
    # Both are tested on the same images, and the judge is as it was.
    for cfg in (learner, shown):
        assert len(build_dataset(cfg.test_dataloader.dataset)) == 3
    given = Config.fromfile(tmp_path / 'judge.py')
    assert shown.model == given.model
    assert shown.train_dataloader == given.train_dataloader

    # A second call trains nothing.
    again = run(tmp_path, judge, tools)
    assert tools.calls[3:] == ['test.py', 'test.py']
    assert again == found


def test_what_cannot_be_compared_is_refused(tmp_path, judge):
    def refused(match, **changes):
        cfg = Config(judge.to_dict())
        cfg.merge_from_dict(changes)
        with pytest.raises(ValueError, match=match):
            run(tmp_path, cfg)

    bank = str(tmp_path / 'bank')
    refused('itself trained with a bank', custom_hooks=[hook(bank=bank)])
    refused('with a bank or scenes', custom_hooks=[hook(scenes=str(tmp_path))])
    assigner = dict(_delete_=True, type='ATSSAssigner', topk=9)
    refused(
        'has no MaxIoUAssigner',
        **{
            'model.train_cfg.rpn.assigner': assigner,
            'model.train_cfg.rcnn.assigner': assigner,
        },
    )
    inner = judge.train_dataloader.dataset.dataset
    refused(
        'reads 2 annotation files for train',
        **{
            'train_dataloader.dataset': dict(
                _delete_=True, type='ConcatDataset', datasets=[inner, inner]
            )
        },
    )
    assert not (tmp_path / 'out').exists()
