"""Scenes with detectors of several kinds: what is ignored, what is painted.

Trained for real, on scenes that are larger than the training images.
"""

import cv2
import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.structures.bbox import bbox_overlaps
from mmengine.hooks import Hook
from mmengine.hub import get_config
from mmengine.registry import HOOKS

from helpers.tiny_detection import (
    CLASSES,
    KeepBoxesHook,
    detector_config,
    faster_rcnn,
    hook,
    run,
)
from helpers.tiny_runs import log_of
from helpers.tiny_scenes import IGNORED, make_scenes

EPOCHS = 10


@HOOKS.register_module()
class KeepImagesHook(Hook):
    """Records the training images, as they reach the detector."""

    images = []

    def before_run(self, runner):
        KeepImagesHook.images = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        KeepImagesHook.images += [i.numpy() for i in data_batch['inputs']]


@pytest.fixture
def scenes(tmp_path):
    return make_scenes(tmp_path, height=96)


@pytest.fixture
def assigned(monkeypatch):
    """Shares of the priors in the ignored region that train nothing."""
    shares = []
    assign = MaxIoUAssigner.assign

    def noted(self, pred, truth, ignored=None, **kwargs):
        result = assign(self, pred, truth, ignored, **kwargs)
        if ignored is not None and len(ignored):
            inside = bbox_overlaps(pred.priors, ignored.bboxes, mode='iof')
            there = inside.max(dim=1).values > 0.5
            if there.any():
                mean = (result.gt_inds[there] == -1).float().mean()
                shares.append(mean.item())
        return result

    monkeypatch.setattr(MaxIoUAssigner, 'assign', noted)
    return shares


def dense(name):
    """A detector of one stage, with 8 channels everywhere."""
    model = get_config(f'mmdet::{name}').model
    model.backbone = dict(type='ResNet', depth=18, base_channels=8)
    model.neck.in_channels = [8, 16, 32, 64]
    model.neck.out_channels = 8
    head = model.bbox_head
    head.update(num_classes=len(CLASSES), in_channels=8, feat_channels=8)
    if 'norm_cfg' in head or name.startswith(('fcos', 'atss')):
        head.norm_cfg = dict(type='GN', num_groups=4)
    return model


RETINANET = 'retinanet/retinanet_r50_fpn_1x_coco.py'
FCOS = 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'
ATSS = 'atss/atss_r50_fpn_1x_coco.py'


def train(data, tmp_path, scenes, model):
    """Trains on scenes alone; the losses by iteration."""
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(scenes=scenes, scene_prob=1.0), dict(type='KeepImagesHook')],
        epochs=EPOCHS,
        model=model,
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        randomness=dict(seed=0),
    )
    cfg.optim_wrapper.optimizer.lr = 1e-2
    runner = run(cfg)
    history = runner.message_hub.get_scalar('train/loss').data[0]
    # Two batches of two images in each epoch.
    assert len(history) == 2 * EPOCHS
    assert np.isfinite(history).all()
    for name, value in runner.model.named_parameters():
        assert torch.isfinite(value).all(), name
    assert KeepBoxesHook.all() == [3] * 4 * EPOCHS
    return runner, np.array(history)


def region(image):
    x, y, width, height = IGNORED
    # Without its rim, which fades.
    return image[..., y + 2 : y + height - 2, x + 2 : x + width - 2]


@pytest.mark.parametrize('name', ['faster-rcnn', RETINANET])
def test_regions_are_ignored(tmp_path, data, scenes, assigned, name):
    # Anchors as small as the region: some are inside.
    if name == 'faster-rcnn':
        model = faster_rcnn()
        model.rpn_head.anchor_generator.scales = [2]
    else:
        model = dense(name)
        model.bbox_head.anchor_generator.octave_base_scale = 1
    _, losses = train(data, tmp_path, scenes, model)
    assert losses[-4:].mean() < losses[:4].mean()
    assert KeepBoxesHook.ignored == [1] * 4 * EPOCHS
    # Of the anchors and RoIs there, none is a defect or background.
    assert len(assigned) >= 4 * EPOCHS
    assert set(assigned) == {1.0}
    # What is there is seen all the same.
    files = [cv2.imread(f'{tmp_path}/img/{i}.png') for i in range(2)]
    for image in KeepImagesHook.images:
        assert any(
            np.array_equal(image, file.transpose(2, 0, 1)) for file in files
        )


@pytest.mark.parametrize('name', [FCOS, ATSS])
def test_regions_are_painted_over(tmp_path, data, scenes, name):
    runner, losses = train(data, tmp_path, scenes, dense(name))
    assert losses[-4:].mean() < losses[:4].mean()
    assert KeepBoxesHook.ignored == [0] * 4 * EPOCHS
    assert 'cannot ignore regions' in log_of(runner)
    files = [cv2.imread(f'{tmp_path}/img/{i}.png') for i in range(2)]
    files = [file.transpose(2, 0, 1) for file in files]
    for image in KeepImagesHook.images:
        (file,) = (
            f for f in files if np.array_equal(f[:, 40:], image[:, 40:])
        )
        changed = region(image) != region(file)
        assert changed.mean() > 0.9
        # The boxes beside it are as they were.
        x = IGNORED[0] - 4
        assert np.array_equal(image[:, 8:18, :x], file[:, 8:18, :x])
