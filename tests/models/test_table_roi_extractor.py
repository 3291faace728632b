"""RoIAlign as a lookup, which is mmcv's, but faster."""

import pytest
import torch
from mmcv.ops import RoIAlign
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope

from mmdet_ddpm_moco import TableRoIExtractor
from mmdet_ddpm_moco.models.table_roi_extractor import TableRoIAlign


def random_rois(number, size, images=3):
    """Some beyond the image, some without an area."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(number, 2, 2, generator=generator) * 2 * size
    corners = corners.sort(1).values.flatten(1) - size / 2
    corners[0, 2:] = corners[0, :2]
    image = torch.randint(images, (number, 1), generator=generator)
    return torch.cat([image, corners], dim=1)


@pytest.mark.parametrize('ratio', [1, 2, 3])
@pytest.mark.parametrize('size', [(25, 25), (7, 13), (1, 1)])
def test_computes_what_mmcv_does(ratio, size):
    torch.manual_seed(0)
    x = torch.randn(3, 16, *size, requires_grad=True)
    rois = random_rois(60, 8 * max(size))
    results = []
    for kind in (RoIAlign, TableRoIAlign):
        layer = kind((7, 5), spatial_scale=1 / 8, sampling_ratio=ratio)
        y = layer(x, rois)
        weights = torch.linspace(-1, 1, y.numel()).view_as(y)
        results.append([y, *torch.autograd.grad((y * weights).sum(), x)])
    assert results[1][0].is_contiguous()
    for expected, found in zip(*results, strict=True):
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, atol=1e-4)


def test_no_rois():
    layer = TableRoIAlign((7, 7), spatial_scale=1, sampling_ratio=1)
    found = layer(torch.randn(1, 4, 9, 9), torch.zeros(0, 5))
    assert found.shape == (0, 4, 7, 7)


def build(**roi_layer):
    roi_layer = dict(type='RoIAlign', output_size=7, **roi_layer)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return [
            MODELS.build(
                dict(
                    type=kind,
                    roi_layer=roi_layer,
                    out_channels=4,
                    featmap_strides=[8, 16],
                    finest_scale=28,
                )
            )
            for kind in (
                'SingleRoIExtractor',
                'mmdet_ddpm_moco.TableRoIExtractor',
            )
        ]


def test_extracts_what_mmdet_does():
    theirs, ours = build(sampling_ratio=1)
    assert isinstance(ours, TableRoIExtractor)
    torch.manual_seed(0)
    maps = [torch.randn(3, 4, 25, 25), torch.randn(3, 4, 13, 13)]
    rois = random_rois(50, 200)
    levels = ours.map_roi_levels(rois, 2)
    assert levels.unique().tolist() == [0, 1]
    assert torch.allclose(ours(maps, rois), theirs(maps, rois), atol=1e-4)


@pytest.mark.parametrize(
    'settings, match',
    [
        (dict(sampling_ratio=0), 'sampling_ratio'),
        (dict(sampling_ratio=1, pool_mode='max'), "'max'"),
        (dict(sampling_ratio=1, aligned=False), 'aligned'),
    ],
)
def test_refuses_what_it_does_not_compute(settings, match):
    with pytest.raises(ValueError, match=match):
        build(**settings)


def test_refuses_other_layers():
    layer = dict(type='RoIPool', output_size=7)
    with pytest.raises(ValueError, match="'RoIPool'"):
        TableRoIExtractor(layer, out_channels=4, featmap_strides=[8])
