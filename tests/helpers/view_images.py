"""Images for views, and the pipelines that make them."""

import cv2
import mmpretrain.datasets  # noqa: F401, registers its transforms
import numpy as np
from mmcv.transforms import Compose
from mmengine.registry import DefaultScope

from benchmarks.speed.views import (
    mmpretrain_pipeline,
    our_pipeline,
    view_settings,
)

FLIPS = dict(horizontal=0.25, vertical=0.25, diagonal=0.25)


def write_picture(path, size=(60, 40), channels=3, smooth=1.5):
    """Colored clouds of ``(width, height)`` pixels."""
    shape = (size[1], size[0], channels)
    noise = np.random.RandomState(0).randn(*shape)
    clouds = cv2.GaussianBlur(noise, (0, 0), smooth).reshape(shape)
    clouds -= clouds.min()
    pixels = (clouds / clouds.max() * 255).astype(np.uint8)
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
    return str(path)


def settings(**changes):
    """All arguments of TwoViews."""
    views = dict(type='TwoViews', scale=24, flips=FLIPS, **changes)
    return view_settings([views])


def run(kind, path, seed, crop=None, defect=None, **changes):
    """The packed views of one sample, by 'ours' or 'theirs'."""
    make = dict(ours=our_pipeline, theirs=mmpretrain_pipeline)[kind]
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        pipeline = Compose(make(settings(**changes)))
    np.random.seed(seed)
    return pipeline(
        dict(
            img_path=path,
            crop=crop,
            defect=defect,
            sample_idx=5,
            dataset_id=7,
            image_id=3,
        )
    )
