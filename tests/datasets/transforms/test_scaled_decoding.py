import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.view_images import write_picture
from mmdet_ddpm_moco.datasets.transforms.scaled_decoding import (
    decode,
    shrinkable_size,
)


def encode(tmp_path, name='a.jpg', mode='RGB', **options):
    picture = cv2.imread(write_picture(tmp_path / 'x.png', (61, 43)))
    Image.fromarray(picture).convert(mode).save(tmp_path / name, **options)
    return (tmp_path / name).read_bytes()


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize(
    'options', [{}, dict(progressive=True), dict(comment=b'\xff\xc0' * 99)]
)
def test_the_size_of_a_jpeg_is_read(tmp_path, mode, options):
    assert shrinkable_size(encode(tmp_path, mode=mode, **options)) == (61, 43)


def test_images_that_cannot_be_shrunk_have_no_size(tmp_path):
    assert shrinkable_size(encode(tmp_path, 'a.png')) is None
    exif = Image.Exif()
    exif[0x0112] = 6
    assert shrinkable_size(encode(tmp_path, exif=exif)) is None
    whole = encode(tmp_path)
    assert all(shrinkable_size(whole[:end]) is None for end in (0, 3, 30))


@pytest.mark.parametrize('factor', [1, 2, 4, 8])
def test_pixels_are_means_of_blocks(tmp_path, factor):
    path = write_picture(tmp_path / 'a.jpg', (64, 40), smooth=4)
    encoded = (tmp_path / 'a.jpg').read_bytes()
    whole = cv2.imread(path).astype(float)
    shape = (40 // factor, factor, 64 // factor, factor, 3)
    expected = whole.reshape(shape).mean((1, 3))
    found = decode(encoded, factor)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, atol=6)
    gray = decode(encoded, factor, gray=True)
    weights = (0.114, 0.587, 0.299)
    np.testing.assert_allclose(gray, expected @ weights, atol=6)


def test_odd_sides_are_rounded_up_and_gray_files_have_one_channel(tmp_path):
    assert decode(encode(tmp_path, mode='L'), 4).shape == (11, 16)
    assert decode(encode(tmp_path), 4).shape == (11, 16, 3)
    assert decode(b'nothing') is None
