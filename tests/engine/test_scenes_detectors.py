"""Scenes with detectors of several kinds.

Trained for real, on scenes that are larger than the training images.
"""

import numpy as np
import pytest
import torch
from mmengine.hub import get_config

from helpers.tiny_detection import (
    CLASSES,
    KeepBoxesHook,
    detector_config,
    faster_rcnn,
    hook,
    run,
)
from helpers.tiny_scenes import make_scenes

EPOCHS = 10


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


DETECTORS = dict(
    faster_rcnn=faster_rcnn,
    retinanet=lambda: dense('retinanet/retinanet_r50_fpn_1x_coco.py'),
    fcos=lambda: dense('fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'),
    atss=lambda: dense('atss/atss_r50_fpn_1x_coco.py'),
)


@pytest.mark.parametrize('sure', [True, False])
@pytest.mark.parametrize('name', DETECTORS)
def test_a_detector_trains_on_scenes(tmp_path, data, name, sure):
    scenes = make_scenes(tmp_path, height=96, sure=sure)
    cfg = detector_config(
        data,
        tmp_path / 'run',
        [hook(scenes=scenes, scene_prob=1.0)],
        epochs=EPOCHS,
        model=DETECTORS[name](),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        randomness=dict(seed=0),
    )
    cfg.optim_wrapper.optimizer.lr = 1e-2
    runner = run(cfg)
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    # Two batches of two images in each epoch.
    assert len(losses) == 2 * EPOCHS
    assert np.isfinite(losses).all()
    for parameter in runner.model.parameters():
        assert torch.isfinite(parameter).all()
    counts = KeepBoxesHook.all()
    if sure:
        assert counts == [3] * 4 * EPOCHS
        assert losses[-4:].mean() < losses[:4].mean()
    else:
        # Now and then none is drawn: an image without a defect.
        assert {0, 1, 2, 3} == set(counts)
