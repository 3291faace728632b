"""Two views per image: ``TwoViews`` against mmpretrain's transforms."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import default_collate

from benchmarks.speed.table import Row
from benchmarks.speed.timing import median_seconds
from mmdet_ddpm_moco.datasets.transforms.two_views import TwoViews
from mmdet_ddpm_moco.utils.errors import InputError

PART = 'pipeline'
# (width, height) of the large images.
LARGE = (2048, 1000)


def pipeline_rows(
    files: Sequence[str], settings: Mapping, repeats: int
) -> list[Row]:
    """Compares the pipelines from files to a batch, on one core.

    Args:
        files (Sequence[str]): Images, used as they are and enlarged.
        settings (Mapping): Of :func:`view_settings`.
        repeats (int): Timed runs over all images.

    Returns:
        list[Row]: Images per second, ratios, and differences of the moments
        of the views.
    """
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        rows = compare_rows('as they are', files, settings, repeats, least=2)
        with TemporaryDirectory() as folder:
            large = write_large(files, Path(folder))
            name = f'{LARGE[0]}x{LARGE[1]}'
            return rows + compare_rows(name, large, settings, repeats, least=3)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def compare_rows(
    name: str,
    files: Sequence[str],
    settings: Mapping,
    repeats: int,
    least: float,
) -> list[Row]:
    """The rows of images of one size; ``least`` is the target ratio."""
    calls = {
        kind: partial(batch_of_views, Compose(pipeline(settings)), files)
        for kind, pipeline in (
            ('mmpretrain', mmpretrain_pipeline),
            ('TwoViews', our_pipeline),
        )
    }
    took = median_seconds(calls, repeats, clock=time.process_time)
    size = cv2.imread(files[0]).shape
    kilobytes = np.mean([Path(file).stat().st_size for file in files]) / 1000
    how = (
        f'{len(files)} images like {size[1]}x{size[0]}, {kilobytes:.0f} KB; '
        f'CPU time, median of {repeats} runs'
    )
    rows = [
        Row(PART, f'{name}: {kind}', len(files) / s, 'images/s/core', how)
        for kind, s in took.items()
    ]
    ratio = took['mmpretrain'] / took['TwoViews']
    what = f'{name}: TwoViews against mmpretrain'
    rows.append(Row(PART, what, ratio, 'x', how, least=least))
    return rows + moment_rows(name, *calls.values())


def batch_of_views(
    pipeline: Callable, files: Sequence[str]
) -> list[torch.Tensor]:
    """Two views of whole images, uint8 (N, 3, H, W), with a fixed seed."""
    np.random.seed(0)
    samples = [
        pipeline(
            dict(
                img_path=str(file),
                crop=None,
                sample_idx=i,
                dataset_id=i,
                image_id=i,
            )
        )
        for i, file in enumerate(files)
    ]
    return default_collate(samples)['inputs']


def moment_rows(
    name: str,
    theirs: Callable[[], list[torch.Tensor]],
    ours: Callable[[], list[torch.Tensor]],
) -> list[Row]:
    """Differences of mean and standard deviation of the views.

    Args:
        name (str): Name of the images.
        theirs (Callable): Returns two views, uint8 (N, 3, H, W).
        ours (Callable): Likewise.

    Returns:
        list[Row]: In gray levels.
    """
    expected, found = (torch.cat(f()).double() for f in (theirs, ours))
    rows = []
    for moment, get in (('mean', torch.mean), ('deviation', torch.std)):
        a, b = get(expected).item(), get(found).item()
        how = f'gray levels; mmpretrain {a:.2f}, TwoViews {b:.2f}'
        what = f'{name}: difference of the {moment}'
        rows.append(Row(PART, what, abs(a - b), '', how, most=1))
    return rows


def write_large(files: Sequence[str], folder: Path) -> list[str]:
    """Writes a large JPEG of each image, enlarged and then repeated.

    Args:
        files (Sequence[str]): Images.
        folder (Path): Their folder.

    Returns:
        list[str]: The files written.
    """
    width, height = LARGE
    written = []
    for i, file in enumerate(files):
        image = cv2.imread(str(file))
        scale = height / image.shape[0]
        size = max(1, round(image.shape[1] * scale)), height
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        image = np.tile(image, (1, -(-width // size[0]), 1))[:, :width]
        written.append(str(folder / f'{i}.jpg'))
        cv2.imwrite(written[-1], image)
    return written


VIEW_TYPES = ['RandomResizedCrop', 'RandomApply', 'GaussianBlur', 'RandomFlip']
PACK = dict(
    type='PackInputs',
    meta_keys=('img_path', 'sample_idx', 'dataset_id', 'image_id'),
)


def view_settings(pipeline: Sequence[Mapping]) -> dict:
    """Reads the settings of the views of a pipeline.

    Args:
        pipeline (Sequence[Mapping]): With a ``TwoViews``, or with a
            ``MultiView`` of the transforms that ``TwoViews`` replaces.

    Returns:
        dict: All arguments of ``TwoViews``.

    Raises:
        ValueError: The pipeline makes other views.
    """
    settings = {
        name: argument.default
        for name, argument in inspect.signature(TwoViews).parameters.items()
    }
    steps = {_name(step): step for step in pipeline}
    if 'TwoViews' in steps:
        given = {**steps['TwoViews']}
    elif 'MultiView' in steps:
        given = _of_multi_view(steps['MultiView'])
        given['window'] = steps.get('CropToSample', {}).get('window')
        loading = steps.get('LoadImageFromFile', {})
        given['color_type'] = loading.get('color_type', 'color')
    else:
        msg = (
            'the training pipeline has neither TwoViews nor MultiView, but '
            f'{list(steps)}'
        )
        raise InputError(msg)
    given.pop('type', None)
    return {**settings, **given}


def _name(step: Mapping) -> str:
    return step['type'].split('.')[-1]


def _of_multi_view(step: Mapping) -> dict:
    """Arguments of ``TwoViews``, those of the crop included, if it fits."""
    views = step['transforms'][0]
    jitter = {}
    if [_name(view) for view in views] == VIEW_TYPES:
        crop, apply, blur, flip = views
        jitter = {**apply['transforms'][0]}
    fits = (
        step['num_views'] in (2, [2])
        and len(step['transforms']) == 1
        and jitter.pop('type', None) == 'ColorJitter'
        and jitter.pop('backend', None) == 'cv2'
        and set(jitter) <= {'brightness', 'contrast'}
        and blur.get('magnitude_std') == 'inf'
        and isinstance(flip['prob'], list)
    )
    if not fits:
        msg = (
            f'only a MultiView of two views by {VIEW_TYPES}, as in '
            'configs/_base_/datasets/neu_det_contrastive.py, can be compared '
            f'with TwoViews, got {[_name(view) for view in views]}'
        )
        raise InputError(msg)
    return dict(
        {key: value for key, value in crop.items() if key != 'type'},
        brightness=jitter.get('brightness', 0.0),
        contrast=jitter.get('contrast', 0.0),
        jitter_prob=apply['prob'],
        sigma_range=blur['magnitude_range'],
        blur_prob=blur.get('prob', 0.5),
        flips=dict(zip(flip['direction'], flip['prob'])),
    )


def our_pipeline(settings: Mapping) -> list[dict]:
    """Makes the views with ``TwoViews``."""
    return [dict(type='mmdet_ddpm_moco.TwoViews', **settings), PACK]


def mmpretrain_pipeline(settings: Mapping) -> list[dict]:
    """Makes the same views with mmpretrain's transforms."""
    flips = settings['flips'] or dict(horizontal=0.0)
    view = [
        dict(
            type='RandomResizedCrop',
            scale=settings['scale'],
            crop_ratio_range=settings['crop_ratio_range'],
            aspect_ratio_range=settings['aspect_ratio_range'],
        ),
        dict(
            type='RandomApply',
            transforms=[
                dict(
                    type='ColorJitter',
                    brightness=settings['brightness'],
                    contrast=settings['contrast'],
                    backend='cv2',
                )
            ],
            prob=settings['jitter_prob'],
        ),
        dict(
            type='GaussianBlur',
            magnitude_range=settings['sigma_range'],
            magnitude_std='inf',
            prob=settings['blur_prob'],
        ),
        dict(
            type='RandomFlip',
            prob=[float(prob) for prob in flips.values()],
            direction=list(flips),
        ),
    ]
    return [
        # Three channels, as mmpretrain's transforms need.
        dict(type='LoadImageFromFile'),
        dict(type='mmdet_ddpm_moco.CropToSample', window=settings['window']),
        dict(type='MultiView', num_views=2, transforms=[view]),
        PACK,
    ]
