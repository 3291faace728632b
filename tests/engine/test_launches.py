"""The one line through both train.py, any scope, loader and kind of config."""

import copy

import pytest
import torch
from mmengine.config import Config

from benchmarks.detectors.data import VOC, write_data
from helpers.tiny_detection import (
    HOOK,
    KeepBoxesHook,
    augmented,
    detector_config,
    dumped_config,
    run,
)
from helpers.tool_runs import OURS, THEIRS, call
from mmdet_ddpm_moco.engine.inputs import images_of
from mmdet_ddpm_moco.engine.pipelines import config_dicts, config_pipelines
from mmdet_ddpm_moco.utils.errors import InputError

TOOLS = pytest.mark.parametrize(
    'tool', [OURS, THEIRS], ids=['ours', 'mmdetection']
)
MMDET_PARTS = (
    'ResNet',
    'CocoDataset',
    'LoadAnnotations',
    'PackDetInputs',
)


def dumped_by(job):
    return next((job.root / 'run').glob('*.py'))


@pytest.mark.parametrize(
    ('scope', 'workers', 'persistent'),
    [
        ('mmdet', 0, False),
        ('mmdet', 2, False),
        ('mmdet', 2, True),
        ('mmpretrain', 0, False),
        ('mmpretrain', 2, True),
        (None, 0, False),
        (None, 2, False),
    ],
)
def test_scopes_and_workers(job, scope, workers, persistent):
    cfg = job.cfg
    cfg.default_scope = scope
    cfg.train_cfg.max_epochs = 2
    cfg.train_dataloader.update(
        num_workers=workers, persistent_workers=persistent
    )
    for part in config_dicts(cfg._cfg_dict):
        if part.get('type') in MMDET_PARTS:
            part.type = f'mmdet.{part.type}'
    run(cfg)
    assert KeepBoxesHook.counts == {0: [2] * 4, 1: [2] * 4}


@pytest.mark.parametrize('workers', [0, 2])
def test_a_run_that_is_resumed_ends_as_one_that_was_not(job, workers):
    """In the middle of an epoch: two iterations are one."""

    def trained(name, iterations, **changes):
        cfg = detector_config(
            job.data, job.root / name, [job.both()], **changes
        )
        cfg.train_cfg = dict(by_epoch=False, max_iters=iterations)
        cfg.train_dataloader.num_workers = workers
        cfg.train_dataloader.sampler = dict(
            type='InfiniteSampler', shuffle=False
        )
        cfg.optim_wrapper.optimizer.update(lr=0.1, momentum=0.9)
        # The loss of these weights is huge.
        cfg.optim_wrapper.clip_grad = dict(max_norm=0.1)
        cfg.default_hooks = dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)
        )
        return run(cfg).model.state_dict()

    whole = trained('whole', 6)
    half = trained('halves', 3)
    resumed = trained('halves', 6, resume=True)
    for key, value in whole.items():
        assert torch.equal(resumed[key], value), key
    assert any(not torch.equal(half[k], v) for k, v in whole.items())


@TOOLS
def test_both_train_with_the_line(job, monkeypatch, tool):
    call(monkeypatch, tool, job.write())
    assert KeepBoxesHook.all() == [2] * 4
    # What was dumped runs again, and inserts nothing twice.
    KeepBoxesHook.counts = {}
    dumped = Config.fromfile(dumped_by(job))
    dumped.experiment_name += 'again'
    dumped.work_dir = str(job.root / 'again')
    dumped.dump(job.root / 'again.py')
    call(monkeypatch, tool, job.root / 'again.py')
    assert KeepBoxesHook.all() == [2] * 4
    again = Config.fromfile(job.root / 'again' / 'again.py')
    for pipeline in config_pipelines(again.train_dataloader):
        assert augmented(pipeline) == [2]
    assert again.train_dataloader == dumped.train_dataloader


def test_test_images_of_another_format(job, monkeypatch, tmp_path):
    """VOC's lists are no COCO json; a loss of the check is no crash."""
    data = write_data(tmp_path / 'voc')
    job.cfg.test_dataloader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='VOCDataset',
            data_root=str(data),
            ann_file=f'{VOC}/ImageSets/Main/trainval.txt',
            data_prefix=dict(sub_data_root=f'{VOC}/'),
            pipeline=[],
        ),
    )
    job.cfg.test_cfg = dict()
    job.cfg.test_evaluator = dict(type='VOCMetric')
    call(monkeypatch, OURS, job.write())
    assert KeepBoxesHook.all() == [2] * 4


@pytest.mark.parametrize(
    'text',
    [
        'a.jpg\nb.jpg\n',
        '000001\n',
        '[1, 2]',
        '{"images": [{"coco_url": "http://x/1.jpg"}, 3]}',
        '{"images": 3}',
    ],
)
def test_files_that_name_no_images(tmp_path, text):
    (tmp_path / 'list').write_text(text)
    source = dict(ann_file='list', data_root=str(tmp_path))
    assert list(images_of(source)) == []


@TOOLS
def test_a_wrong_input_ends_both_with_one_line(job, monkeypatch, capsys, tool):
    (job.bank / 'patches.bin').write_bytes(b'')
    kind = SystemExit if tool == OURS else InputError
    with pytest.raises(kind) as error:
        call(monkeypatch, tool, job.write(workers=2))
    text = capsys.readouterr().err if tool == OURS else str(error.value)
    last = text.strip().splitlines()[-1]
    assert 'patches.bin of the defect bank' in last


def settings(job, where):
    return [
        f'{where}.type={HOOK}',
        f'{where}.bank={job.bank}',
        f'{where}.prob=1.0',
        f'{where}.max_windows=1',
    ]


def line(job):
    return (
        f"custom_hooks=[dict(type='KeepBoxesHook'), dict(type='{HOOK}', "
        f"bank='{job.bank}', prob=1.0, max_windows=1)]"
    )


@TOOLS
def test_the_line_on_the_command_line(job, monkeypatch, tool):
    """Any train.py adds to a dict."""
    job.use()
    options = settings(job, 'default_hooks.ddpm_moco')
    call(monkeypatch, tool, job.write(), '--cfg-options', *options)
    assert KeepBoxesHook.all() == [2] * 4
    # Leakage, freshness and teachers ask for the hooks of a config.
    dumped = Config.fromfile(dumped_by(job))
    (pipeline,) = config_pipelines(dumped.train_dataloader)
    assert augmented(pipeline) == [2]


def test_the_line_as_a_list_on_our_command_line(job, monkeypatch):
    job.use()
    call(monkeypatch, OURS, job.write(), '--cfg-options', line(job))
    assert KeepBoxesHook.all() == [2] * 4


def test_the_line_by_its_number_on_our_command_line(job, monkeypatch):
    """In a config without custom_hooks."""
    job.cfg.pop('custom_hooks')
    job.cfg.default_hooks = dict(keep=dict(type='KeepBoxesHook'))
    options = settings(job, 'custom_hooks.0')
    call(monkeypatch, OURS, job.write(), '--cfg-options', *options)
    assert KeepBoxesHook.all() == [2] * 4


BASE = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs
from mmdet.models import ResNet
from mmengine.dataset import DefaultSampler
from torch.optim import SGD

from helpers.tiny_detection import BackboneAlone, KeepBoxesHook

default_scope = None
model = dict(
    type=BackboneAlone,
    backbone=dict(type=ResNet, depth=18, base_channels=8))
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=CocoDataset,
        data_root={data!r},
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=('dent', 'scratch')),
        serialize_data=False,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadAnnotations, with_bbox=True),
            dict(type=PackDetInputs)]))
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type=SGD, lr=1e-4))
custom_hooks = [dict(type=KeepBoxesHook)]
"""
NEW_STYLE = """
from mmengine.config import read_base

from mmdet_ddpm_moco import DDPMMoCoHook

with read_base():
    from .base import *

work_dir = {work_dir!r}
experiment_name = {name!r}
custom_hooks += [
    dict(
        type=DDPMMoCoHook,
        bank={bank!r},
        checkpoint={checkpoint!r},
        prob=1.0,
        max_windows=1)]
"""


@TOOLS
def test_a_new_style_config(job, monkeypatch, tool):
    """With `read_base`, and classes as types; what it dumps runs as well."""
    values = dict(
        data=str(job.data),
        bank=str(job.bank),
        checkpoint=str(job.checkpoint),
        work_dir=str(job.root / 'run'),
        name=f'new_style_{tool == OURS}',
    )
    for name, text in (('base', BASE), ('detector', NEW_STYLE)):
        for key, value in values.items():
            text = text.replace(f'{{{key}!r}}', repr(value))
        (job.root / f'{name}.py').write_text(text)
    call(monkeypatch, tool, job.root / 'detector.py')
    assert KeepBoxesHook.all() == [2] * 4
    dumped = Config.fromfile(dumped_by(job))
    (pipeline,) = config_pipelines(dumped.train_dataloader)
    assert augmented(pipeline) == [2]
    again = copy.deepcopy(dumped)
    again.work_dir = str(job.root / 'again')
    again.experiment_name += 'again'
    runner = run(again)
    assert KeepBoxesHook.all() == [2] * 4
    (pipeline,) = config_pipelines(dumped_config(runner).train_dataloader)
    assert augmented(pipeline) == [2]
