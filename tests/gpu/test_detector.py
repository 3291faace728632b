"""What a detector reads: backbones, transforms and their tensors."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.structures import InstanceData

from helpers.devices import all_on, close, gradients
from helpers.tiny_detection import faster_rcnn


def detector(device):
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(faster_rcnn())
    return model.to(device).train()


def data():
    generator = torch.Generator().manual_seed(0)
    images, samples = [], []
    for _ in range(2):
        image = torch.rand(3, 64, 64, generator=generator) * 255
        images.append(image.to(torch.uint8))
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1, 1)
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[8.0, 8, 40, 40], [20, 30, 60, 60]]),
            labels=torch.tensor([0, 1]),
        )
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def test_a_step(device):
    """Losses of the first stage; which RoIs are sampled is drawn."""
    results = []
    for place in ('cpu', device):
        model = detector(place)
        batch = model.data_preprocessor(data(), training=True)
        torch.manual_seed(0)
        losses = model(**batch, mode='loss')
        features = model.extract_feat(batch['inputs'])
        sum(map(torch.sum, features)).backward()
        all_on(model, place)
        for value in losses.values():
            values = value if isinstance(value, list) else [value]
            assert all(torch.isfinite(v).all() for v in values)
            assert all(v.device.type == place for v in values)
        results.append((features, gradients(model)))
    for one, other in zip(results[1][0], results[0][0]):
        close(one, other, 1e-3, 'features')
    for name, value in results[0][1].items():
        close(results[1][1][name], value, 1e-2, name)


def test_lite0(device):
    pytest.importorskip('mmdet')
    from mmdet_ddpm_moco.models.backbones.efficientnet_lite import (
        EfficientNetLite,
    )

    images = torch.randn(2, 3, 64, 64)
    results = []
    for place in ('cpu', device):
        torch.manual_seed(0)
        model = EfficientNetLite().to(place).eval()
        results.append(model(images.to(place)))
    for one, other in zip(results[1], results[0]):
        assert one.device.type == device
        close(one, other, 1e-3)


def test_roi_align_by_table(device):
    """The CPU's table against mmcv's operator of the device."""
    from mmdet_ddpm_moco.models.table_roi_extractor import TableRoIAlign

    torch.manual_seed(0)
    maps = torch.randn(2, 8, 30, 40)
    corner = torch.rand(20, 2) * 200
    boxes = torch.cat([corner, corner + 8 + torch.rand(20, 2) * 90], 1)
    rois = torch.cat([torch.arange(20.0)[:, None] % 2, boxes], 1)
    results = []
    for place in ('cpu', device):
        layer = TableRoIAlign((7, 7), 0.125, sampling_ratio=2)
        values = maps.to(place, copy=True).requires_grad_()
        out = layer(values, rois.to(place))
        out.square().sum().backward()
        assert out.device.type == place
        results.append((out, values.grad))
    close(results[1][0], results[0][0], 1e-5)
    close(results[1][1], results[0][1], 1e-5)
