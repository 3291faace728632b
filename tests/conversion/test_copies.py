from heapq import nsmallest

import cv2
import numpy as np
import pytest

from helpers.voc_maker import surface
from mmdet_ddpm_moco.conversion import copies as module
from mmdet_ddpm_moco.conversion.copies import copies, join_turned
from mmdet_ddpm_moco.conversion.groups import Groups
from mmdet_ddpm_moco.conversion.overlap import flatten
from mmdet_ddpm_moco.utils.perceptual_hash import perceptual_hash, signs


@pytest.fixture(autouse=True, params=[5, 512])
def block(request, monkeypatch):
    monkeypatch.setattr(module, '_BLOCK', request.param)


def alike(count, shapes, noise):
    """Noisy versions of three surfaces, and an image without structure."""
    rng = np.random.default_rng(count)
    images = []
    for number in range(count):
        shape = shapes[rng.integers(len(shapes))]
        whole = surface(60, 60, seed=number % 3).astype(np.float64)
        whole += rng.normal(0, noise, whole.shape)
        whole = np.clip(whole, 0, 255).astype(np.uint8)
        images.append(cv2.resize(whole, shape[::-1]))
    images[count // 2][:] = 90
    return images


@pytest.mark.parametrize(
    ('count', 'shapes', 'noise'),
    [(3, [(60, 60)], 10), (50, [(60, 60)], 30), (40, [(60, 60), (50, 60)], 9)],
)
def test_copies_equal_a_slow_search(count, shapes, noise):
    images = alike(count, shapes, noise)
    flat = [
        flatten(
            cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA), 32, 2, 4
        )
        for image in images
    ]
    expected = []
    for first in range(count):
        found = [
            (1 - correlation, first, second)
            for second in range(first + 1, count)
            if images[first].shape == images[second].shape
            and (correlation := float((flat[first] * flat[second]).mean()))
            > 0.6
        ]
        expected += nsmallest(10, found)
    found = list(copies(images.__getitem__, count))
    assert [one[1:3] for one in found] == [one[1:] for one in expected]
    np.testing.assert_allclose(
        [one.doubt for one in found], [one[0] for one in expected], atol=1e-5
    )
    assert count < 50 or len(found) > 200


def test_joined_are_all_whose_hashes_agree_turned_or_not():
    rng = np.random.default_rng(0)
    images = [surface(64, 64, seed) for seed in range(12)]
    for source in (0, 0, 1, 5, 11):
        turned = np.rot90(images[source], rng.integers(4))
        images.append(turned[:, :: rng.choice([1, -1])].copy())
    images.insert(3, np.full((64, 64), 90, np.uint8))
    groups = Groups(len(images))
    join_turned(images.__getitem__, groups)
    # Pair by pair, as long as a group grows.
    expected = list(range(len(images)))
    hashes = [perceptual_hash(image) for image in images]
    for _ in images:
        for first, second in np.ndindex(len(images), len(images)):
            if hashes[first] is None or hashes[second] is None:
                continue
            a, b = signs([hashes[first], hashes[second]])
            best = max(
                (np.rot90(a, quarter)[:, ::step] * b).sum()
                for quarter in range(4)
                for step in (1, -1)
            )
            if best > (1 - 2 * 0.27) * 256:
                least = min(expected[first], expected[second])
                expected[first] = expected[second] = least
    assert groups.tolist() == expected
    assert len(set(expected)) == 13


def test_groups_are_called_by_their_smallest_number():
    groups = Groups(8)
    groups.join(5, 3)
    groups.join(7, 6)
    groups.join_all(5, np.array([7, 5, 1]))
    assert groups.tolist() == [0, 1, 2, 1, 4, 1, 1, 1]
    assert groups.together(7, 3) and not groups.together(7, 0)
