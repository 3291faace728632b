"""A generator and images that a bank is synthesized from in milliseconds."""

import pytest

from helpers.tiny_banks import write_generator, write_images
from mmdet_ddpm_moco.synthesis import gates, painter, run
from mmdet_ddpm_moco.synthesis.generator import load_generator


@pytest.fixture
def generator(tmp_path):
    """An untrained generator."""
    return load_generator(write_generator(tmp_path / 'generator'))


@pytest.fixture
def images(tmp_path):
    """The annotation file and the folder of labeled images."""
    return write_images(tmp_path / 'data')


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of four windows, which may be noise."""
    monkeypatch.setattr(run, 'BLOCK', 4)
    # Noise has seams everywhere, and resembles other noise.
    monkeypatch.setattr(gates, 'seam', lambda *_: 0.0)
    monkeypatch.setattr(gates.SeenDefects, 'is_copy', lambda *_: False)


@pytest.fixture
def no_unet(monkeypatch):
    """Paints the noise itself: a bank in milliseconds."""

    def noise_itself(unet, sampler, image, mask, label, noise, **_):
        assert image.shape == noise.shape
        return noise.clamp(-1, 1)

    monkeypatch.setattr(painter, 'sample_windows', noise_itself)
