"""The same two views from our transform and from mmpretrain's."""

import inspect
from collections.abc import Mapping, Sequence

from mmdet_ddpm_moco.datasets.transforms.two_views import TwoViews
from mmdet_ddpm_moco.utils.errors import InputError

VIEW_TYPES = ['RandomResizedCrop', 'RandomApply', 'GaussianBlur', 'RandomFlip']
PACK = dict(
    type='PackInputs',
    meta_keys=('img_path', 'sample_idx', 'dataset_id', 'image_id'),
)


def view_settings(pipeline: Sequence[Mapping]) -> dict:
    """Reads what views a pipeline makes.

    Args:
        pipeline (Sequence[Mapping]): With a ``TwoViews``, or with a
            ``MultiView`` of those transforms that ``TwoViews`` stands for.

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
        # Gray as three channels: mmpretrain's transforms want them.
        dict(type='LoadImageFromFile'),
        dict(type='mmdet_ddpm_moco.CropToSample', window=settings['window']),
        dict(type='MultiView', num_views=2, transforms=[view]),
        PACK,
    ]
