"""Embedded pictures are small and are what was given."""

import base64

import cv2
import numpy as np
import pytest

from helpers.made_runs import noise
from mmdet_ddpm_moco.report_page.pictures import (
    MAX_BYTES,
    embed,
    embed_file,
)


def decoded(picture):
    head, text = picture.uri.split(',', 1)
    data = base64.b64decode(text)
    assert len(data) <= MAX_BYTES
    return head, cv2.imdecode(np.frombuffer(data, np.uint8), -1)


def test_a_drawing_is_kept_to_the_pixel():
    pixels = np.full((60, 90, 3), 245, np.uint8)
    cv2.rectangle(pixels, (10, 10), (40, 30), (0, 0, 255), 1)
    picture = embed(pixels, 'x')
    head, found = decoded(picture)
    assert head == 'data:image/png;base64'
    np.testing.assert_array_equal(found, pixels)
    assert (picture.width, picture.height) == (90, 60)


@pytest.mark.parametrize('size', [(2000, 3000), (40, 5000), (4000, 300)])
def test_noise_of_any_size_fits(size):
    picture = embed(noise(*size), 'x')
    _, found = decoded(picture)
    assert found.shape[:2] == (picture.height, picture.width)
    assert picture.width <= 1600
    ratio = picture.width / picture.height
    assert ratio == pytest.approx(size[1] / size[0], rel=0.05)


def test_a_file_that_is_no_picture(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'')
    assert embed_file(tmp_path / 'a.png', 'x').text == (
        'a.png cannot be read.'
    )
