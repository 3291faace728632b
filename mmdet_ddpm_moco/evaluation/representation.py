"""Metrics of contrastive representations."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

# Windows compared with all others at a time, to bound memory.
_BLOCK = 1024


def found_elsewhere(labels: Tensor, images: Tensor) -> Tensor:
    """Whether each window has one of its class in another image, bool (N, ).

    ``labels`` and ``images`` are of each window, int64 (N, ).
    """
    # Each image of a class once: a class of one image has none elsewhere.
    pairs = torch.stack((labels, images), 1).unique(dim=0)
    return pairs[:, 0].bincount()[labels] > 1


def knn_predictions(
    features: Tensor,
    labels: Tensor,
    images: Tensor,
    k: int,
    temperature: float = 0.07,
) -> Tensor:
    r"""Classes of windows by their neighbors in other images.

    The weighted k-NN classifier of Wu et al. (Unsupervised Feature Learning
    via Non-Parametric Instance Discrimination, CVPR 2018, section 3.4): each
    of the k nearest by cosine similarity :math:`s_i` votes for its class
    with weight :math:`\exp(s_i / \tau)`.

    Args:
        features (Tensor): float (N, D), of any norm.
        labels (Tensor): Class of each window, int64 (N, ), from 0.
        images (Tensor): Image of each window, int64 (N, ), of two images at
            least. Windows of one image are never neighbors.
        k (int): Neighbors that vote, at most the windows of other images.
        temperature (float): :math:`\tau` > 0. Defaults to 0.07.

    Returns:
        Tensor: int64 (N, ).
    """
    unit = F.normalize(features.double(), dim=1)
    classes = int(labels.max()) + 1
    predicted = []
    for rows, own in zip(unit.split(_BLOCK), images.split(_BLOCK)):
        similar = rows @ unit.T  # (block, N)
        similar[own[:, None] == images] = -torch.inf
        values, neighbors = similar.topk(min(k, len(unit)), dim=1)
        # Relative to the nearest, for exp not to overflow; exp(-inf) = 0
        # drops windows of the same image.
        weights = ((values - values[:, :1]) / temperature).exp()
        votes = weights.new_zeros(len(rows), classes)
        votes.scatter_add_(1, labels[neighbors], weights)
        predicted.append(votes.argmax(1))
    return torch.cat(predicted)


def balanced_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Mean recall over the classes, of int64 (N, ), N at least 1."""
    right = (predicted == labels).double()
    shares = [right[labels == label].mean() for label in labels.unique()]
    return float(torch.stack(shares).mean())


def alignment(first: Tensor, second: Tensor) -> float:
    r"""Alignment of the two views of an image; lower is better.

    :math:`E \lVert x - y \rVert_2^2` over pairs of views, eq. 3 with
    :math:`\alpha = 2` of Wang and Isola (Understanding Contrastive
    Representation Learning through Alignment and Uniformity on the
    Hypersphere, ICML 2020).

    Args:
        first (Tensor): Unit vectors, float (N, D), N at least 1.
        second (Tensor): Those of the same images' other views, (N, D).

    Returns:
        float: In [0, 4].
    """
    return float((first - second).double().square().sum(1).mean())


def uniformity(vectors: Tensor) -> float:
    r"""Uniformity of unit vectors, float (N, D); lower is better.

    :math:`\log E \exp(-2 \lVert x - y \rVert_2^2)` over pairs of different
    vectors, section 4.1.2 with :math:`t = 2` of Wang and Isola, see
    :func:`alignment`. In [-8, 0]; 0 is collapse to one point. N is at least
    2.
    """
    squared = torch.pdist(vectors.double()).square()  # (N (N - 1) / 2, )
    return float(squared.mul(-2).exp().mean().log())


def queue_ages(fill: int, written: Iterable[int]) -> tuple[float, int]:
    """Ages of the ``fill`` keys in a queue, in training steps.

    ``written`` are the keys that each step added, the last step, whose keys
    have age 0, first.

    Returns:
        tuple[float, int]: Mean and largest age; 0 for an empty queue.
    """
    total, oldest, left = 0, 0, fill
    for age, number in enumerate(written):
        if not left:
            break
        number = min(number, left)
        if number:
            oldest = age
        total += age * number
        left -= number
    return total / max(fill, 1), oldest
