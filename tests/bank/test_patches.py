"""Patches: what is pasted of them is what the pictures say."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.tiny_bank import write
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.bank.patches import PATCHES, PLACES, patch_of
from mmdet_ddpm_moco.bank.reader import DefectBank, OtherImageError
from mmdet_ddpm_moco.bank.writer import BankWriter

SIDES = st.integers(1, 70)


def bank_of(root, pictures):
    """A bank of windows without defects, at a place of one image."""
    writer = BankWriter(root, dict(classes=['pit', 'scratch']))
    records = [
        dict(
            number=3 * number,
            kind='null',
            label=2,
            source='1.png',
            window=(5, 3, pixels.shape[1], pixels.shape[0]),
            box=(0, 0, 0, 0),
            replaces=None,
            rejected=None,
        )
        for number, pixels in enumerate(pictures)
    ]
    writer.write_block(0, records, pictures)
    writer.close(len(records))
    return DefectBank(root)


def host_of(picture, margin=9):
    """An image with the colors of a picture at its place in it."""
    return np.pad(picture[..., :3], ((3, margin), (5, margin), (0, 0)))


def picture(height, width, seed=0):
    """Random colors, some of them painted."""
    rng = np.random.RandomState(seed)
    pixels = rng.randint(0, 256, (height, width, 4)).astype(np.uint8)
    pixels[..., 3] *= rng.rand(height, width) < 0.5
    return pixels


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(SIDES, SIDES),
    box=st.tuples(SIDES, SIDES, SIDES, SIDES),
    gray=st.booleans(),
    channels=st.sampled_from([None, 1, 3]),
    dtype=st.sampled_from([np.uint8, np.float32]),
    data=st.data(),
)
def test_painted_pixels_change_and_no_others(
    tmp_path_factory, size, box, gray, channels, dtype, data
):
    seed = data.draw(st.integers(0, 99))
    made = picture(*size, seed=seed)
    x, y, w, h = box
    made[: y % size[0], :, 3] = 0
    made[:, : x % size[1], 3] = 0
    made[y % size[0] + h :, :, 3] = 0
    made[:, x % size[1] + w :, 3] = 0
    if gray:
        made[..., :3] = made[..., :1]
    (window,) = bank = bank_of(tmp_path_factory.mktemp('bank'), [made])
    painted = made[..., 3] > 0
    image = host_of(made)
    pixels = made[..., :3]
    if channels != 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    if channels == 1:
        image, pixels = image[..., None], pixels[..., None]
    image = image.astype(dtype)
    expected = image.copy()
    crop(image, window.window)[painted] += 1  # will be painted over
    crop(expected, window.window)[painted] = pixels[painted]
    patch = bank.paste(window, image)
    assert np.array_equal(image, expected)
    assert image.dtype == dtype
    found = np.zeros(size, np.uint8)
    crop(found, patch.painted)[:] = patch.alpha
    assert np.array_equal(found, made[..., 3])
    assert patch.pixels.shape[2] == (1 if gray else 3)


def same(patch, other):
    return all(
        np.array_equal(value, getattr(other, name))
        for name, value in vars(patch).items()
    )


def test_they_are_read_as_they_were_written(tmp_path):
    sizes = [(16, 16), (200, 240), (32, 16), (420, 400), (1, 3)]
    pictures = [picture(*size) for size in sizes]
    pictures[0][..., 3] = 255
    pictures[1][..., 3] = 0
    bank = bank_of(tmp_path, pictures)
    shutil.rmtree(tmp_path / 'images')  # pipelines do without
    for window, made in zip(bank, pictures, strict=True):
        patch = bank.paste(window, host_of(made))
        colors, alpha = made[..., :3], made[..., 3].copy()
        assert same(patch, patch_of(colors, alpha)), made.shape


def test_older_banks_are_read_from_their_pictures(tmp_path):
    made = picture(40, 60)
    bank_of(tmp_path, [made])
    for name in (PATCHES, PLACES):
        (tmp_path / name).unlink()
    (window,) = bank = DefectBank(tmp_path)
    patch = bank.paste(window, host_of(made))
    assert same(patch, patch_of(made[..., :3], made[..., 3].copy()))


@settings(deadline=None)
@given(alpha=arrays(np.uint8, st.tuples(SIDES, SIDES)))
def test_background_is_sampled_where_there_is_any(alpha):
    colors = np.zeros((*alpha.shape, 3), np.uint8)
    patch = patch_of(colors, alpha)
    assert patch.background.any() == (alpha == 0).any()
    part = np.full((*alpha.shape, 1), 7, np.uint8)
    expected = 7 if (alpha == 0).any() else None
    assert patch.difference(part) == expected


def test_few_samples_tell_images_apart(tmp_path):
    made = picture(160, 200)
    made[..., :3] = 90
    (window,) = bank = bank_of(tmp_path, [made])
    image = host_of(made)
    bank.paste(window, image + np.uint8(3))  # decoders differ a little
    before = (image := image + np.uint8(8)).copy()
    with pytest.raises(OtherImageError, match='differs by 8 gray levels'):
        bank.paste(window, image)
    assert np.array_equal(image, before)


def test_what_is_not_accepted_is_not_pasted(tmp_path):
    made = picture(40, 60)
    (window,) = bank = bank_of(tmp_path, [made])
    asked = []
    image = host_of(made)
    before = image.copy()
    assert bank.paste(window, image, accept=asked.append) is None
    assert np.array_equal(image, before)
    assert same(asked[0], patch_of(made[..., :3], made[..., 3].copy()))


@pytest.fixture
def damaged(tmp_path):
    return write(tmp_path / 'bank')


def change(data):
    return data[:9] + bytes([data[9] ^ 1]) + data[10:]


def test_a_changed_byte_is_found(damaged):
    file = damaged / PATCHES
    file.write_bytes(change(file.read_bytes()))
    bank = DefectBank(damaged)
    (window,) = [w for w in bank if w.number == 0]
    image = np.zeros((80, 100, 3), np.uint8)
    with pytest.raises(ValueError, match='is damaged') as error:
        bank.paste(window, image)
    assert str(damaged) in str(error.value)
    assert 'make the bank again' in str(error.value)


@pytest.mark.parametrize('name', [PATCHES, PLACES])
@pytest.mark.parametrize(
    'damage',
    [lambda data: data[:-1], lambda data: b'', lambda data: b'else'],
    ids=['cut', 'empty', 'garbage'],
)
def test_damaged_files_are_found_when_a_bank_is_opened(damaged, name, damage):
    file = damaged / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match='make the bank again') as error:
        DefectBank(damaged)
    assert str(damaged) in str(error.value)


def test_half_a_copy_is_found(damaged):
    (damaged / PATCHES).unlink()
    with pytest.raises(ValueError, match='make the bank again'):
        DefectBank(damaged)


def test_patches_of_another_bank_are_found(damaged, tmp_path):
    bank_of(tmp_path / 'other', [picture(9, 9)])
    for name in (PATCHES, PLACES):
        shutil.copy(tmp_path / 'other' / name, damaged / name)
    with pytest.raises(ValueError, match='has other windows'):
        DefectBank(damaged)


def test_a_window_without_a_patch_is_found(damaged):
    bank = DefectBank(damaged)
    for number in (2, 9):
        window = dataclasses.replace(next(iter(bank)), number=number)
        with pytest.raises(ValueError, match='make the bank again'):
            bank.paste(window, np.zeros((80, 100, 3), np.uint8))
