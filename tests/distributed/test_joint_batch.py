"""Several processes give the gradients of one with the joint batch.

DistributedDataParallel takes the mean over the ranks. That is the gradient
of the joint batch where each rank's loss is a mean over equally much: over as
many windows, or over as many sampled anchors and RoIs. Otherwise it is the
mean of the ranks' own gradients, whatever they are of. (MoCo, whose ranks
exchange keys, is in tests/models/test_moco_distributed.py.)
"""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

from helpers import tiny_ddpm
from helpers.joint_batch import (
    gradients,
    gradients_of_ranks,
    mean_of,
    parts_of,
    same,
)
from helpers.tiny_detection import faster_rcnn
from helpers.tiny_ranks import needs_fork

pytestmark = [needs_fork, pytest.mark.slow]
NUMBER = 8
EVEN = [[4, 4], [2, 2, 2, 2]]
UNEVEN = [[5, 3], [1, 3, 2, 2]]


class Drawn:
    """Noise and timesteps of a whole batch, of which a rank takes a part."""

    def __init__(self, number):
        source = torch.Generator().manual_seed(7)
        self.noise = torch.randn(number, 1, 16, 16, generator=source)
        self.timesteps = torch.randint(1000, (number,), generator=source)


def generator_loss(model, part):
    drawn = Drawn(NUMBER)
    data = {k: v[part] for k, v in tiny_ddpm.batch(NUMBER).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, 'randn_like', lambda x: drawn.noise[part])
        patch.setattr(
            torch, 'randint', lambda *args, **kwargs: drawn.timesteps[part]
        )
        return model(**data, mode='loss')['loss']


@pytest.mark.parametrize('sizes', EVEN, ids=str)
@pytest.mark.parametrize('snr_gamma', [None, 5.0])
def test_generator(tmp_path, sizes, snr_gamma):
    def build():
        return tiny_ddpm.build(snr_gamma=snr_gamma).train()

    expected = gradients(build(), generator_loss, slice(NUMBER))
    for found in gradients_of_ranks(
        build, generator_loss, sizes, tmp_path / 'ranks'
    ):
        same(found, expected)


@pytest.mark.parametrize('sizes', UNEVEN, ids=str)
def test_generator_with_batches_of_several_sizes(tmp_path, sizes):
    """As its data set gives them: windows of one rank are of one size."""
    each = [
        gradients(tiny_ddpm.build().train(), generator_loss, part)
        for part in parts_of(sizes)
    ]
    for found in gradients_of_ranks(
        lambda: tiny_ddpm.build().train(),
        generator_loss,
        sizes,
        tmp_path / 'ranks',
    ):
        same(found, mean_of(each))


def detector():
    """All anchors and a fixed number of RoIs count, none drawn."""
    register_all_modules()
    cfg = faster_rcnn().copy()
    cfg.backbone.norm_eval = True
    # More than there are, so that all are taken.
    everything = dict(
        type='RandomSampler',
        num=100000,
        pos_fraction=1.0,
        neg_pos_ub=-1,
        add_gt_as_proposals=False,
    )
    cfg.train_cfg.rpn.sampler = everything
    cfg.train_cfg.rpn.assigner.pos_iou_thr = 0.5
    cfg.train_cfg.rpn.assigner.neg_iou_thr = 0.5
    cfg.train_cfg.rpn.assigner.match_low_quality = False
    cfg.train_cfg.rcnn.assigner.match_low_quality = False
    # Proposals do not crowd each other out, and as many stay per image.
    cfg.train_cfg.rpn_proposal = dict(
        nms_pre=400,
        max_per_img=20,
        nms=dict(type='nms', iou_threshold=0.99),
        min_bbox_size=0,
    )
    cfg.train_cfg.rcnn.sampler = {**everything, 'add_gt_as_proposals': True}
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.train()


def images(part, boxes=2):
    generator = torch.Generator().manual_seed(3)
    pixels = torch.rand(NUMBER, 3, 64, 64, generator=generator) * 255
    corners = torch.rand(NUMBER, 3, 2, generator=generator) * 30
    inputs, samples = [], []
    for index in range(NUMBER)[part]:
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1, 1)
            )
        )
        number = boxes if isinstance(boxes, int) else boxes[index]
        corner = corners[index, :number]
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + 28], 1),
            labels=torch.arange(number) % 2,
        )
        inputs.append(pixels[index].to(torch.uint8))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def detector_loss(model, part, boxes=2):
    inner = model.module if hasattr(model, 'module') else model
    data = inner.data_preprocessor(images(part, boxes), training=True)
    losses = model(**data, mode='loss')
    return BaseModel.parse_losses(inner, losses)[0]


@pytest.mark.parametrize('sizes', EVEN, ids=str)
def test_detector(tmp_path, sizes):
    """Where each image has as many anchors, RoIs and positives.

    The box losses of an RoI head are a mean over all RoIs, and those of the
    RPN over all anchors: positives need not be as many on each rank.
    """
    expected = gradients(detector(), detector_loss, slice(NUMBER))
    for found in gradients_of_ranks(
        detector, detector_loss, sizes, tmp_path / 'ranks'
    ):
        same(found, expected, rtol=1e-3, atol=1e-5)


def uneven_loss(model, part):
    return detector_loss(model, part, boxes=[1, 1, 1, 1, 3, 3, 3, 3])


@pytest.mark.parametrize('sizes', [[5, 3], [4, 4]], ids=str)
def test_detector_is_the_mean_of_its_ranks(tmp_path, sizes):
    """Whatever they hold; with other numbers not that of the joint batch."""
    each = [
        gradients(detector(), uneven_loss, part) for part in parts_of(sizes)
    ]
    joint = gradients(detector(), uneven_loss, slice(NUMBER))
    for found in gradients_of_ranks(
        detector, uneven_loss, sizes, tmp_path / 'ranks'
    ):
        same(found, mean_of(each), rtol=1e-3, atol=1e-5)
        with pytest.raises(AssertionError):
            same(found, joint, rtol=1e-3, atol=1e-5)
