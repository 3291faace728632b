"""Makes a detector's config look at its test images in several views."""

from collections.abc import Iterator

from mmengine.config import Config

from ..utils.errors import InputError
from ..utils.requirements import check_module
from .pipelines import (
    config_dicts,
    config_pipelines,
    trained_views,
    type_name,
)

# Those of mmdet's PackDetInputs, which has them as defaults.
_META_KEYS = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'flip_direction',
)


def slice_test_images(cfg: Config, size: int, overlap: float = 0.2) -> Config:
    """Has a detector tested on slices of its images.

    The rest of the test pipeline sees slices instead of images, so what it
    resizes to should be the size of a slice in the training's scale.

    Args:
        cfg (Config): Of a detector without masks.
        size (int): Side of a slice, pixels.
        overlap (float): See
            :class:`~mmdet_ddpm_moco.datasets.transforms.slice_image.SliceImage`.

    Returns:
        Config: The same, changed.

    Raises:
        ValueError: The test pipeline loads or packs no image.
    """
    for pipeline, first in _loaded(cfg):
        rest = pipeline[first:]
        rest[-1] = _with_keys(rest[-1], 'slice_box', 'full_shape')
        pipeline[first:] = [
            dict(
                type='mmdet_ddpm_moco.SliceImage',
                size=size,
                overlap=overlap,
                transforms=rest,
            )
        ]
    # Images of other sizes have other numbers of slices.
    cfg.test_dataloader.batch_size = 1
    cfg.model = dict(
        type='mmdet_ddpm_moco.SlicedTTAModel',
        module=cfg.model,
        # A larger image has more defects: each slice may have as many as an
        # image of the detector, so that there is no limit of the whole.
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5)),
    )
    return cfg


def flip_test_images(cfg: Config) -> Config:
    """Has a detector tested on its images and on their flips.

    Flips are those of its training: others would be new to it.

    Args:
        cfg (Config): Of a detector without masks.

    Returns:
        Config: The same, changed.

    Raises:
        ValueError: The test pipeline loads or packs no image, or it was
            trained without flips.
        StackError: ensemble-boxes is missing.
    """
    check_module('ensemble_boxes')
    _, *directions = trained_views(cfg)
    if not directions:
        msg = (
            f'{cfg.filename} trains without RandomFlip, so flips of test '
            'images would be new to the detector; test it without them'
        )
        raise InputError(msg)
    # The image as it is comes first: it keeps its labels.
    flips = [dict(type='mmdet.RandomFlip', prob=0.0)]
    flips += [
        dict(type='mmdet.RandomFlip', prob=1.0, direction=direction)
        for direction in directions
    ]
    for pipeline, first in _loaded(cfg):
        *rest, pack = pipeline[first:]
        pack = _with_keys(pack, 'flip', 'flip_direction')
        steps = [[step] for step in rest]
        # Padding must stay on the right and below: boxes of a view are turned
        # back as if there were none.
        padded = [i for i, step in enumerate(rest) if type_name(step) == 'Pad']
        steps.insert(padded[0] if padded else len(steps), flips)
        pipeline[first:] = [
            dict(type='TestTimeAug', transforms=[*steps, [pack]])
        ]
    cfg.model = dict(
        type='mmdet_ddpm_moco.FusedTTAModel',
        module=cfg.model,
        **_own_limit(cfg.model),
    )
    return cfg


def _own_limit(model: dict) -> dict[str, int]:
    """``max_per_img`` of a detector's test, if its config says one."""
    for part in config_dicts(model):
        given = part.get('test_cfg') or {}
        # That of a first stage is of its proposals.
        limit = (given.get('rcnn') or given).get('max_per_img', 0)
        if limit > 0:  # -1 is no limit
            return dict(max_per_img=limit)
    return {}


def _loaded(cfg: Config) -> Iterator[tuple[list[dict], int]]:
    """Test pipelines, and the place in each behind what loads the image."""
    for pipeline in config_pipelines(cfg.test_dataloader):
        names = [type_name(transform) for transform in pipeline]
        loads = [i for i, name in enumerate(names) if 'LoadImage' in name]
        if not loads or names[-1] != 'PackDetInputs':
            msg = (
                'several views of an image need a test pipeline from '
                f'LoadImageFromFile to PackDetInputs; that of {cfg.filename} '
                f'is {", ".join(names)}'
            )
            raise InputError(msg)
        yield pipeline, loads[-1] + 1


def _with_keys(pack: dict, *keys: str) -> dict:
    """PackDetInputs that keeps more of an image's meta data."""
    given = pack.get('meta_keys', _META_KEYS)
    return dict(pack, meta_keys=tuple(dict.fromkeys((*given, *keys))))
