"""Extractors as TorchScript files, in the form that mmagic asks for."""

import runpy
import sys

import numpy as np
import pytest
import torch
from torch import nn

from mmdet_ddpm_moco.evaluation.features import (
    FeatureExtractor,
    extract,
    lite0_features,
)
from mmdet_ddpm_moco.interop.extractor_file import export_extractor
from mmdet_ddpm_moco.utils.paths import shipped


class Backbone(nn.Sequential):
    def forward(self, x):
        return (super().forward(x),)


def small_extractor(classes=5):
    torch.manual_seed(0)
    return FeatureExtractor(
        Backbone(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU()),
        (120.0, 110.0, 100.0),
        (50.0, 60.0, 70.0),
        'small',
        size=32,
        classifier=nn.Linear(8, classes) if classes else None,
    )


def images(count, size=32):
    rng = np.random.RandomState(0)
    return rng.randint(0, 256, (count, size, size, 3)).astype(np.uint8)


def as_rgb(pixels):
    return torch.from_numpy(pixels[..., ::-1].transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize('count', [1, 20])
def test_features_and_probabilities_are_the_extractors(tmp_path, count):
    extractor = small_extractor()
    file = export_extractor(extractor, tmp_path / 'small.pt')
    module = torch.jit.load(str(file))
    pixels = images(count)
    features, logits = extract(extractor, list(pixels), 'x')
    found = module(as_rgb(pixels), return_features=True)
    torch.testing.assert_close(found, features)
    for flag in (False, True):
        found = module(as_rgb(pixels), no_output_bias=flag)
        torch.testing.assert_close(found, logits.softmax(1))
    # Channels are not interchangeable.
    swapped = module(as_rgb(pixels).flip(1), return_features=True)
    assert not torch.allclose(swapped, features, atol=1e-3)


def test_images_of_other_sizes_are_resized(tmp_path):
    module = torch.jit.load(
        str(export_extractor(small_extractor(), tmp_path / 'small.pt'))
    )
    small = as_rgb(images(2, 16))
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    shown = torch.nn.functional.interpolate(
        large.float(), (32, 32), mode='bilinear', antialias=True
    )
    torch.testing.assert_close(
        module(large, return_features=True),
        module(shown.round().to(torch.uint8), return_features=True),
    )


def test_without_classes_there_are_features_only(tmp_path):
    module = torch.jit.load(
        str(export_extractor(small_extractor(None), tmp_path / 'small.pt'))
    )
    rgb = as_rgb(images(2))
    assert module(rgb, return_features=True).shape == (2, 8)
    with pytest.raises(Exception, match='no classes for an IS'):
        module(rgb)


def run_tool(monkeypatch, source, file):
    tool = str(shipped('tools') / 'export_extractor.py')
    monkeypatch.setattr(sys, 'argv', [tool, source, str(file)])
    runpy.run_path(tool, run_name='__main__')


@pytest.mark.slow
def test_lite0_by_the_tool(tmp_path, monkeypatch, capsys):
    file = tmp_path / 'new' / 'lite0.pt'
    run_tool(monkeypatch, 'lite0', file)
    assert capsys.readouterr().out.strip() == str(file)
    module = torch.jit.load(str(file))
    pixels = images(3, 224)
    features, logits = extract(lite0_features(), list(pixels), 'x')
    with torch.no_grad():
        found = module(as_rgb(pixels), return_features=True)
        probabilities = module(as_rgb(pixels), no_output_bias=True)
    torch.testing.assert_close(found, features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        probabilities, logits.softmax(1), rtol=1e-4, atol=1e-5
    )


def test_an_unknown_extractor_is_said_in_one_line(
    tmp_path, monkeypatch, capsys
):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, 'none.pth', tmp_path / 'x.pt')
    assert 'none.pth' in capsys.readouterr().err
