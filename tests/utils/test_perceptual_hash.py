import numpy as np
import pytest

from mmdet_ddpm_moco.utils import perceptual_hash
from mmdet_ddpm_moco.utils.perceptual_hash import (
    HASH_SIDE,
    agreement,
    signs,
)


def random_hashes(rng, count):
    return [rng.bytes(HASH_SIDE**2 // 8).hex() for _ in range(count)]


def eight(square):
    """All flips and rotations."""
    turned = [np.rot90(square, quarter) for quarter in range(4)]
    return turned + [each[:, ::-1] for each in turned]


@pytest.mark.parametrize(('rows', 'columns'), [(1, 1), (3, 9), (8, 2)])
@pytest.mark.parametrize('block', [4, 256])
def test_agreement_is_that_of_the_best_flip_or_rotation(
    monkeypatch, rows, columns, block
):
    monkeypatch.setattr(perceptual_hash, '_BLOCK', block)
    rng = np.random.default_rng(rows)
    first = signs(random_hashes(rng, rows))
    second = signs(random_hashes(rng, columns))
    second[0] = np.rot90(first[-1])
    second[-1] = eight(first[0])[rng.integers(8)]
    expected = [
        [max(float((each * b).sum()) for each in eight(a)) for b in second]
        for a in first
    ]
    found = agreement(first, second)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert found[0, -1] == HASH_SIDE**2
