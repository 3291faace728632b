"""Magnetic tile defects: five kinds on motor magnets, and defect-free."""

from mmdet.registry import DATASETS

from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class MagneticTileDataset(PreparedCocoDataset):
    """Magnetic tile defects in COCO form, with boxes and masks.

    243 gray images with defects and 647 defect-free ones, of 215 tiles in up
    to six exposures, with sides of 100 to 630 pixels (Huang, Qiu and Yuan,
    "Surface defect saliency of magnetic tiles", The Visual Computer 36,
    2020). All arguments are those of ``mmdet.datasets.CocoDataset``;
    ``filter_cfg=dict(filter_empty_gt=False)`` keeps the defect-free images.
    """

    METAINFO = dict(
        classes=('Blowhole', 'Break', 'Crack', 'Fray', 'Uneven'),
        palette=[
            (230, 160, 20),
            (220, 60, 20),
            (30, 160, 60),
            (150, 70, 200),
            (40, 110, 230),
        ],
    )
    PREPARE_COMMAND = (
        'python tools/prepare_dataset.py masks <magnetic-tile folder> '
        r"data/magnetic-tile --group-by 'num_(\d+)'"
    )
