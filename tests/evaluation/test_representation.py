"""Measures of a representation against slow, obvious references."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.evaluation import representation
from mmdet_ddpm_moco.evaluation.representation import (
    alignment,
    balanced_accuracy,
    found_elsewhere,
    knn_predictions,
    queue_ages,
    uniformity,
)


def windows(number, classes, images, seed):
    torch.manual_seed(seed)
    return (
        torch.randn(number, 6),
        torch.randint(0, classes, (number,)),
        torch.arange(number) % images,
    )


@pytest.mark.parametrize('temperature', [0.001, 0.07, 1.0])
@pytest.mark.parametrize('k', [1, 3, 50])
@pytest.mark.parametrize('number, classes, images', [(12, 3, 5), (30, 4, 2)])
def test_knn_equals_the_naive_loop(
    monkeypatch, number, classes, images, k, temperature
):
    monkeypatch.setattr(representation, '_BLOCK', 7)  # several, one not full
    features, labels, image = windows(number, classes, images, seed=k)
    predicted = knn_predictions(features, labels, image, k, temperature)
    for i in range(number):
        near = sorted(
            (
                (float(F.cosine_similarity(features[i], features[j], 0)), j)
                for j in range(number)
                if image[j] != image[i]
            ),
            reverse=True,
        )[:k]
        votes = [0.0] * classes
        for similar, j in near:
            votes[labels[j]] += math.exp((similar - near[0][0]) / temperature)
        assert int(predicted[i]) == votes.index(max(votes))


def test_neighbors_of_the_same_image_never_count():
    """Near duplicates within an image are misleading; other images are not."""
    features = torch.eye(2).repeat_interleave(2, 0)  # a a b b
    features = torch.cat((features, features + 0.1))
    labels = torch.tensor([0, 1, 1, 0, 0, 0, 1, 1])
    images = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    predicted = knn_predictions(features, labels, images, 1)
    assert predicted[:4].tolist() == [0, 0, 1, 1]
    with_duplicates = knn_predictions(features, labels, torch.arange(8), 1)
    assert with_duplicates[:4].tolist() == [1, 0, 0, 1]


def test_a_lower_temperature_favors_near_votes():
    angles = torch.tensor([0.0, 0.1, 0.5, 0.5])
    features = torch.stack((angles.cos(), angles.sin()), 1)
    labels = torch.tensor([0, 0, 1, 1])
    images = torch.arange(4)
    cold, warm = (
        int(knn_predictions(features, labels, images, 3, t)[0])
        for t in (0.01, 10.0)
    )
    assert (cold, warm) == (0, 1)


def test_balanced_accuracy_counts_classes_not_windows():
    labels = torch.tensor([0] * 8 + [2] * 2)
    predicted = torch.tensor([0] * 8 + [0, 2])
    assert balanced_accuracy(predicted, labels) == 0.75


def test_found_elsewhere():
    labels = torch.tensor([0, 0, 1, 1, 2])
    images = torch.tensor([0, 1, 1, 1, 2])
    expected = [True, True, False, False, False]
    assert found_elsewhere(labels, images).tolist() == expected


@pytest.mark.parametrize('seed', range(5))
def test_found_elsewhere_equals_the_naive_loop(seed):
    _, labels, _ = windows(12, 6, 1, seed)
    images = torch.randint(0, 4, (12,))
    expected = [
        any(a == b and i != j for b, j in zip(labels, images))
        for a, i in zip(labels, images)
    ]
    assert found_elsewhere(labels, images).tolist() == expected


@pytest.mark.parametrize('number', [2, 9])
def test_alignment_and_uniformity_equal_the_naive_loop(number):
    torch.manual_seed(number)
    x, y = F.normalize(torch.randn(2, number, 4), dim=2)
    pairs = [
        math.exp(-2 * sum((a - b) ** 2 for a, b in zip(x[i], x[j])))
        for i in range(number)
        for j in range(i)
    ]
    expected = math.log(sum(pairs) / len(pairs))
    assert uniformity(x) == pytest.approx(expected, abs=1e-6)
    squared = [float(((x[i] - y[i]) ** 2).sum()) for i in range(number)]
    expected = sum(squared) / number
    assert alignment(x, y) == pytest.approx(expected, abs=1e-6)


def test_bounds_of_alignment_and_uniformity():
    x = F.normalize(torch.ones(3, 4), dim=1)
    assert alignment(x, x) == 0
    assert alignment(x, -x) == pytest.approx(4)
    assert uniformity(x) == pytest.approx(0)
    assert uniformity(torch.cat((x[:1], -x[:1]))) == pytest.approx(-8)


@given(
    steps=st.lists(st.integers(1, 6), max_size=12),
    queue_len=st.integers(1, 12),
)
def test_queue_ages_equal_a_simulated_queue(steps, queue_len):
    born = []
    for step, number in enumerate(steps):
        born = (born + [step] * number)[-queue_len:]
    ages = [len(steps) - 1 - step for step in born]
    mean, oldest = queue_ages(len(born), reversed(steps))
    assert oldest == max(ages, default=0)
    assert mean == pytest.approx(sum(ages) / max(len(ages), 1))
