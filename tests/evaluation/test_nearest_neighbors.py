import cv2
import numpy as np
import pytest
import torch

from helpers.made_windows import window, window_set
from mmdet_ddpm_moco.evaluation.nearest_neighbors import (
    choose_rows,
    draw_neighbors,
    nearest,
    nearest_training_windows,
    summarize,
)


def draw(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('k', [1, 3])
@pytest.mark.parametrize('by_image', [False, True])
def test_against_all_pairs(k, by_image):
    query, pool = draw(11, 5, 0), draw(17, 5, 1)
    images = ([i % 3 for i in range(11)], [i % 4 for i in range(17)])
    indices, distances = nearest(query, pool, k, *(images if by_image else ()))
    for i in range(11):
        pairs = sorted(
            (float((query[i].double() - pool[j].double()).norm()), j)
            for j in range(17)
            if not by_image or images[0][i] != images[1][j]
        )[:k]
        assert indices[i].tolist() == [j for _, j in pairs]
        assert distances[i] == pytest.approx([d for d, _ in pairs])


def test_chunks_do_not_matter(monkeypatch):
    query, pool = draw(10, 3, 0), draw(6, 3, 1)
    images = (list(range(10)), [0, 1, 2, 7, 8, 9])
    whole = nearest(query, pool, 2, *images)
    monkeypatch.setattr(
        'mmdet_ddpm_moco.evaluation.nearest_neighbors.CHUNK', 3
    )
    for a, b in zip(nearest(query, pool, 2, *images), whole):
        np.testing.assert_array_equal(a, b)


def test_a_copy_has_distance_zero():
    pool = draw(9, 400, 0) * 1e-3 + 50
    _, distances = nearest(pool[4:5].clone(), pool, 1)
    assert distances[0, 0] == 0


@pytest.fixture
def sets():
    # Training windows on a line, 1 apart, two of each image next to each
    # other; so the nearest of another image is 1 or 2 away.
    places = torch.tensor([[0.0], [1], [2], [3], [4], [5]])
    train = window_set([window(image=i // 2) for i in range(6)], places)
    bank = window_set(
        [
            window(0, 'add', image=0),  # on a window of its own host
            window(0, 'replaces', image=2),  # on one of another image
        ],
        torch.tensor([[0.0], [2.5]]),
    )
    return bank, train


def test_relative_to_the_training_set_itself(sets):
    found = nearest_training_windows(*sets, k=2)
    # Distances to another image: 2, 1, 1, 1, 1, 2, the median is 1.
    assert found.unit == 1
    assert found.train.tolist() == [2, 1, 1, 1, 1, 2]
    assert found.indices[0].tolist() == [0, 1]
    assert found.distances.tolist() == [[0, 1], [0.5, 0.5]]
    assert found.elsewhere.tolist() == [2, 0.5]


def test_the_unit_is_a_median_distance(sets):
    bank, train = sets
    scaled = window_set(train.windows, 10 * train.features)
    found = nearest_training_windows(bank, scaled, k=2)
    assert found.unit == 10
    assert found.train.tolist() == [2, 1, 1, 1, 1, 2]


def test_summary(sets):
    bank, _ = sets
    summary = summarize(bank, nearest_training_windows(*sets))
    assert list(summary) == ['real', 'add', 'replaces']
    assert summary['real'] == dict(n=6, median=1, near_duplicates=0)
    assert summary['add'] == dict(n=1, median=2, near_duplicates=0)
    assert summary['replaces'] == dict(n=1, median=0.5, near_duplicates=1)


def test_one_training_image_is_too_few():
    train = window_set([window() for _ in range(9)])
    with pytest.raises(ValueError, match='two such images'):
        nearest_training_windows(window_set([window(kind='add')]), train)


def test_rows_show_the_nearest_and_another(sets, tmp_path):
    _, train = sets
    bank = window_set(
        [window(i % 2, kind) for kind in ('add', 'replaces') for i in range(6)]
    )
    bank = window_set(bank.windows, 10 * torch.arange(12.0)[:, None] + 20)
    found = nearest_training_windows(bank, train, k=3)
    rows = choose_rows(bank, found)
    assert len(rows) == len(set(rows)) == 8
    # The smallest feature of each class and kind is nearest.
    assert {0, 1, 6, 7} <= set(rows)
    file = tmp_path / 'new' / 'neighbors.png'
    draw_neighbors(bank, train, found, ('dent', 'pit'), file)
    figure = cv2.imread(str(file))
    assert figure.shape[0] > 8 * 100 and figure.shape[1] > 4 * 100
