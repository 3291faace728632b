"""Makes a detector's config look at its test images slice by slice."""

from mmengine.config import Config

from ..utils.errors import InputError
from .pipelines import config_pipelines, type_name

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
    for pipeline in config_pipelines(cfg.test_dataloader):
        names = [type_name(transform) for transform in pipeline]
        loads = [i for i, name in enumerate(names) if 'LoadImage' in name]
        if not loads or names[-1] != 'PackDetInputs':
            msg = (
                'slices need a test pipeline from LoadImageFromFile to '
                f'PackDetInputs; that of {cfg.filename} is {", ".join(names)}'
            )
            raise InputError(msg)
        first = loads[-1] + 1
        rest = pipeline[first:]
        keys = rest[-1].get('meta_keys', _META_KEYS)
        rest[-1] = dict(rest[-1], meta_keys=(*keys, 'slice_box', 'full_shape'))
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
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    )
    return cfg
