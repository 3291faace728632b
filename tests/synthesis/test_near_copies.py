import cv2
import numpy as np
import pytest

from helpers.tiny_banks import write_images
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis import gates
from mmdet_ddpm_moco.synthesis.gates import (
    THUMBNAIL,
    SeenDefects,
    distance,
    mirrored,
    nearest_of_others,
    thumbnail,
)


def texture(seed=0, size=(30, 40)):
    return np.random.RandomState(seed).randint(0, 256, (*size, 1), np.uint8)


def test_distance_is_one_minus_the_correlation():
    a, b = (
        texture(0, (THUMBNAIL, THUMBNAIL)),
        texture(1, (THUMBNAIL, THUMBNAIL)),
    )
    expected = 1 - np.corrcoef(a.ravel(), b.ravel())[0, 1]
    found = distance(thumbnail(a), thumbnail(b)[None])
    assert found == pytest.approx(expected, abs=1e-5)
    nearest = distance(thumbnail(a), np.stack([thumbnail(b), thumbnail(a)]))
    assert nearest == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('gain, offset', [(0.5, 0), (0.5, 100), (-0.5, 200)])
def test_contrast_and_tone_do_not_count_but_their_sign_does(gain, offset):
    a = texture()
    b = np.clip(a * gain + offset, 0, 255).astype(np.uint8)
    found = distance(thumbnail(a), thumbnail(b)[None])
    assert found == pytest.approx(0 if gain > 0 else 2, abs=1e-2)


def test_a_uniform_box_resembles_nothing():
    flat = np.full((9, 9, 3), 80, np.uint8)
    assert distance(thumbnail(flat), thumbnail(flat)[None]) == 1


def test_mirror_images():
    pixels = texture(size=(THUMBNAIL, THUMBNAIL))
    found = mirrored(thumbnail(pixels)[None])
    for flipped in (
        pixels,
        pixels[::-1],
        pixels[:, ::-1],
        pixels[::-1, ::-1],
    ):
        near = distance(thumbnail(flipped), found)
        assert near == pytest.approx(0, abs=1e-6)
    turned = distance(thumbnail(pixels.transpose(1, 0, 2)), found)
    assert turned > 0.5


@pytest.fixture
def data(tmp_path):
    images = [[('dent', 4, 5, 14, 12), ('dent', 26, 20, 14, 12)]] * 4
    images += [[('pit', 8, 8, 20, 20)], []]
    return LabeledImages(*write_images(tmp_path / 'data', images))


def test_limits_are_the_nearest_of_other_images(data):
    seen = SeenDefects(data)
    vectors = [
        thumbnail(crop(data.read(i), d.box)) for i, d in data.by_class[0]
    ]
    images = [i for i, _ in data.by_class[0]]
    nearest = []
    for i, one in enumerate(vectors):
        others = [v for v, k in zip(vectors, images) if k != images[i]]
        nearest.append(min(distance(v, mirrored(one[None])) for v in others))
    assert seen.limits[0] == pytest.approx(np.quantile(nearest, 0.01))
    # A single pit, and no scratch: there are no distances.
    assert seen.limits[1:] == [0, 0]


@pytest.mark.parametrize('images', [1, 2, 5])
@pytest.mark.parametrize('number', [1, 6, 7, 20])
def test_nearest_against_each_by_itself(monkeypatch, number, images):
    monkeypatch.setattr(gates, '_ROWS', 7)
    side = (THUMBNAIL, THUMBNAIL)
    vectors = np.stack([thumbnail(texture(i, side)) for i in range(number)])
    # Some are a mirrored copy of another; the last may be of one tone.
    vectors[::4] = mirrored(vectors[:1])[1]
    vectors[number // 2 + 3 :] = 0
    of = np.arange(number) * 3 % images
    slow = [
        distance(vector, mirrored(vectors[of != image]))
        for vector, image in zip(vectors, of)
    ]
    found = nearest_of_others(vectors, of)
    np.testing.assert_allclose(found, slow, atol=1e-6)


def test_few_thumbnails_are_mirrored_at_a_time(monkeypatch):
    rows = []
    monkeypatch.setattr(
        gates, 'mirrored', lambda v: rows.append(len(v)) or mirrored(v)
    )
    vectors = np.zeros((1000, THUMBNAIL**2), np.float32)
    nearest_of_others(vectors, np.arange(1000))
    # Each once: not all of the others for each.
    assert sum(rows) == 1000 and max(rows) <= 64


def test_copies_are_found_and_other_defects_are_not(data):
    seen = SeenDefects(data)
    index, defect = data.by_class[0][3]
    original = crop(data.read(index), defect.box)
    enlarged = cv2.resize(original, (28, 24))[..., None]
    paler = (original * 0.6 + 70).astype(np.uint8)
    for copy in (original, original[:, ::-1], enlarged, paler):
        assert seen.is_copy(copy, 0)
    # Neither of another class, nor a new defect.
    assert not seen.is_copy(original, 1)
    assert not seen.is_copy(texture(5), 0)
