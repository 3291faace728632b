"""Masks in the form of Severstal's board."""

import csv
import io

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmdet_ddpm_moco.evaluation import severstal_csv as module
from mmdet_ddpm_moco.evaluation.severstal_csv import (
    check_severstal_csv,
    decode_pixels,
    encode_pixels,
    severstal_csv,
)

IMAGES = [
    dict(id=1, file_name='a.jpg', width=4, height=3),
    dict(id=2, file_name='b,1.jpg', width=4, height=3),
]
CATEGORIES = [dict(id=1, name='one'), dict(id=2, name='two')]


def slow_encoding(mask):
    """Pixel by pixel, as the board explains it."""
    height, width = mask.shape
    inside = [
        1 + column * height + row
        for column in range(width)
        for row in range(height)
        if mask[row, column]
    ]
    runs = []
    for pixel in inside:
        if runs and pixel == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([pixel, 1])
    return ' '.join(f'{start} {length}' for start, length in runs)


@pytest.mark.parametrize('size', [(1, 1), (3, 4), (1, 9), (7, 1), (16, 25)])
@pytest.mark.parametrize('share', [0, 0.1, 0.6, 1])
def test_runs_are_those_of_the_slow_reference(size, share):
    mask = np.random.default_rng(0).random(size) < share
    text = encode_pixels(mask)
    assert text == slow_encoding(mask)
    np.testing.assert_array_equal(decode_pixels(text, *size), mask)


def test_the_example_of_the_form():
    mask = np.zeros((3, 4), bool)
    mask[0, 0] = mask[2, 0] = mask[0, 1] = True
    # Down the first column, then on into the second.
    assert encode_pixels(mask) == '1 1 3 2'


@pytest.mark.parametrize(
    'text', ['1', '0 2', '3 0', '1 3 2 1', '5 2 1 2', '12 2', 'x 1', '1  2']
)
def test_malformed_pixels_are_refused(text):
    with pytest.raises(ValueError, match='no EncodedPixels of 4 x 3 pixels'):
        decode_pixels(text, 3, 4)


def detection(image, category, score, *pixels):
    mask = np.zeros((3, 4), np.uint8, order='F')
    for row, column in pixels:
        mask[row, column] = 1
    encoded = mask_utils.encode(mask)
    return dict(
        image_id=image,
        category_id=category,
        score=score,
        segmentation=dict(encoded, counts=encoded['counts'].decode()),
    )


def test_a_row_for_each_image_and_class():
    found = [
        detection(1, 2, 0.9, (0, 0), (1, 0)),
        detection(1, 2, 0.5, (1, 0), (2, 0)),  # overlaps: joined
        detection(1, 1, 0.2, (0, 3)),  # not sure enough
        detection(2, 1, 0.5, (2, 3)),
    ]
    text = severstal_csv(found, IMAGES, CATEGORIES, 0.5)
    assert list(csv.reader(io.StringIO(text))) == [
        ['ImageId', 'ClassId', 'EncodedPixels'],
        ['a.jpg', '1', ''],
        ['a.jpg', '2', '1 3'],
        ['b,1.jpg', '1', '12 1'],
        ['b,1.jpg', '2', ''],
    ]
    check_severstal_csv(text, IMAGES, CATEGORIES)


def test_one_mask_at_a_time_is_decoded(monkeypatch):
    decoded = []
    original = mask_utils.decode

    def decode(rle):
        decoded.append(rle)
        return original(rle)

    def encode(mask):
        assert len(decoded) == 1  # none of the next row yet
        decoded.clear()
        return encode_pixels(mask)

    monkeypatch.setattr(module.mask_utils, 'decode', decode)
    monkeypatch.setattr(module, 'encode_pixels', encode)
    found = [
        detection(image, category, 0.9, (image, category))
        for category in (2, 1)
        for image in (2, 1)
    ]
    text = severstal_csv(found, IMAGES, CATEGORIES, 0.5)
    assert [row.rsplit(',', 1)[1] for row in text.splitlines()[1:]] == [
        '5 1',
        '8 1',
        '6 1',
        '9 1',
    ]


@pytest.mark.parametrize(
    'old, new, complaint',
    [
        ('ImageId,', 'Image,', 'the header is Image,ClassId,EncodedPixels'),
        ('a.jpg,2,\n', '', '1 rows are missing'),
        ('a.jpg,2,', 'a.jpg,1,', 'is repeated'),
        ('a.jpg,2,', 'c.jpg,2,', 'is not asked for'),
        ('a.jpg,2,', 'a.jpg,2,12 2', 'no EncodedPixels'),
    ],
)
def test_a_table_of_another_form_is_refused(old, new, complaint):
    text = severstal_csv([], IMAGES, CATEGORIES, 0.5)
    assert old in text
    with pytest.raises(ValueError, match=complaint):
        check_severstal_csv(text.replace(old, new), IMAGES, CATEGORIES)


def test_a_mask_longer_than_a_field_of_csv():
    mask = np.zeros((3000, 4096), np.uint8, order='F')
    for top in (400, 1200, 2200):
        mask[top : top + 12] = 1
    images = [dict(id=1, file_name='a.png', height=3000, width=4096)]
    kinds = [dict(id=1, name='scratch')]
    found = dict(image_id=1, category_id=1, score=0.9)
    found['segmentation'] = mask_utils.encode(mask)
    limit = csv.field_size_limit()
    text = severstal_csv([found], images, kinds, 0.3)
    assert len(text) > limit
    check_severstal_csv(text, images, kinds)
    assert csv.field_size_limit() == limit
