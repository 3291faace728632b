"""Inputs that are unusual and taken: what is used of them, and what is logged.

Those that are refused are in test_bad_input.py.
"""

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS

from helpers.tiny_detection import KeepBoxesHook, faster_rcnn, hook, run
from helpers.tiny_runs import log_of
from helpers.tool_runs import rewrite


def test_the_backbone_of_a_detector_is_taken(job):
    """Such a checkpoint has one of the same architecture, under its name."""
    weights = MODELS.build(faster_rcnn()).state_dict()
    torch.save(dict(state_dict=weights), job.checkpoint)
    log = log_of(run(job.cfg))
    assert 'all equal' in log
    assert "prefix 'backbone.'" in log


def test_the_same_hook_twice_is_used_once(job):
    job.use(job.both(), job.both())
    log = log_of(run(job.cfg))
    assert KeepBoxesHook.all() == [2] * 4
    assert f'custom_hooks give the bank {job.bank} twice' in log
    assert log.count('it is used once') == 2  # the checkpoint, too


def test_parts_may_come_from_two_hooks(job):
    job.use(
        hook(checkpoint=str(job.checkpoint)),
        hook(bank=str(job.bank), prob=1.0, max_windows=1),
    )
    log = log_of(run(job.cfg))
    assert KeepBoxesHook.all() == [2] * 4
    assert 'all equal' in log and 'twice' not in log


def test_a_bank_that_cannot_be_written_to(job):
    """Nothing is written where the bank is."""
    parts = [job.bank, *job.bank.rglob('*')]
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in parts}
    for part in parts:
        part.chmod(0o555)
    run(job.cfg)
    assert KeepBoxesHook.all() == [2] * 4
    for part in parts:
        part.chmod(0o755)
    found = [job.bank, *job.bank.rglob('*')]
    after = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in found}
    assert after == before


def test_classes_are_matched_by_name(job):
    """The bank has one class that the set lacks, the set one it lacks."""
    job.new_bank(classes=('rust', 'scratch'))
    runner = run(job.cfg)
    assert KeepBoxesHook.all() == [2] * 4
    sample = runner.train_dataloader.dataset[0]['data_samples']
    assert sample.gt_instances.labels.tolist() == [0, 1]
    assert 'has the classes rust, which the dataset lacks' in log_of(runner)


def test_windows_of_a_class_that_the_set_lacks_are_counted(job):
    job.new_bank()
    classes = ('dent', 'rust')
    rewrite(job.bank / 'manifest.json', lambda m: m.update(classes=classes))
    index = np.load(job.bank / 'index.npy')
    index['label'] = [0, 1, 0, 1]
    np.save(job.bank / 'index.npy', index)
    runner = run(job.cfg)
    # The windows of images 0 and 2, in the order of the index.
    known = {int(row['number']) for row in index if row['label'] == 0}
    assert KeepBoxesHook.all() == [1 + (i in known) for i in range(4)]
    log = log_of(runner)
    assert '2 of 4 windows are on 2 of its 4 images' in log
    assert '2 windows are not used' in log


@pytest.mark.parametrize('kept', [True, False])
def test_images_without_boxes(job, kept):
    """mmdet's filter_empty_gt drops them before the hook sees anything."""

    def change(coco):
        del coco['annotations'][1]

    rewrite(job.data / 'train.json', change)
    job.dataset.filter_cfg = dict(filter_empty_gt=not kept, min_size=1)
    log = log_of(run(job.cfg))
    assert KeepBoxesHook.all() == ([2, 1, 2, 2] if kept else [2] * 3)
    assert ('filter_empty_gt=True' in log) == (not kept)
    images = 4 if kept else 3
    assert f'{images} of 4 windows are on {images} of its {images}' in log
