"""Metrics of generative models on features, by torch-fidelity.

Not by its ``calculate_metrics``: features are computed once and serve many
comparisons.
"""

import torch
from torch import Tensor
from torch_fidelity.metric_fid import (
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

# Metrics of fewer windows on a side mean nothing.
MIN_WINDOWS = 8
KID_SUBSETS = 100
KID_SUBSET = 1000  # at most; the size that papers use
NEIGHBORHOOD = 3  # of precision and recall, as in their paper


def compare(generated: Tensor, real: Tensor) -> dict[str, float]:
    """Compares two sets of features, float32 (N, D) and (M, D).

    N and M are at least ``MIN_WINDOWS``.

    Returns:
        dict[str, float]: ``n_generated``, ``n_real``; ``frechet_distance``
        (Heusel et al., 2017; biased upwards, more so with fewer windows);
        ``kid`` and ``kid_std``, mean and standard deviation over subsets of
        ``kid_subset`` windows, half of the smaller set but at most 1000
        (Binkowski et al., 2018; unbiased); ``precision`` and ``recall``, in
        [0, 1] (Kynkaanniemi et al., 2019; 3 neighbors).
    """
    subset = min(len(generated) // 2, len(real) // 2, KID_SUBSET)
    kid = kid_features_to_metric(
        generated,
        real,
        kid_subsets=KID_SUBSETS,
        kid_subset_size=subset,
        verbose=False,
    )
    prc = prc_features_to_metric(
        generated, real, prc_neighborhood=NEIGHBORHOOD, verbose=False
    )
    return dict(
        n_generated=len(generated),
        n_real=len(real),
        frechet_distance=frechet_distance(generated, real),
        kid=kid['kernel_inception_distance_mean'],
        kid_std=kid['kernel_inception_distance_std'],
        kid_subset=subset,
        precision=prc['precision'],
        recall=prc['recall'],
    )


def frechet_distance(generated: Tensor, real: Tensor) -> float:
    """Squared Frechet distance between Gaussians fitted to features.

    Heusel et al., 2017, eq. 6, of float (N, D) and (M, D). Fewer windows
    than features are in a subspace. The distance is the same in its
    coordinates, with much smaller matrices.
    """
    both = torch.cat([generated, real]).double()
    if len(both) < both.shape[1]:
        basis, _ = torch.linalg.qr(both.T)  # (D, N + M)
        both = both @ basis
    statistics = [
        fid_features_to_statistics(part)
        for part in both.split([len(generated), len(real)])
    ]
    found = fid_statistics_to_metric(*statistics, verbose=False)
    return found['frechet_inception_distance']


def inception_score(logits: Tensor) -> dict[str, float]:
    """Inception score (Salimans et al., 2016) of logits (N, classes).

    Returns:
        dict[str, float]: ``inception_score``, from 1 to the number of
        classes, and its standard deviation ``inception_score_std`` over
        ``inception_score_splits`` parts of at least 100 windows; 0 for a
        single part, if there are fewer than 200.
    """
    splits = max(1, min(10, len(logits) // 100))
    found = isc_features_to_metric(logits, splits=splits)
    return dict(
        inception_score=found['inception_score_mean'],
        inception_score_std=found['inception_score_std'],
        inception_score_splits=splits,
    )
