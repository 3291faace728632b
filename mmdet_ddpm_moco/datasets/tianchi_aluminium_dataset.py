"""Tianchi's aluminium profiles: ten kinds of defects of painted surfaces."""

from mmdet.registry import DATASETS

from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class TianchiAluminiumDataset(PreparedCocoDataset):
    """Tianchi's aluminium in COCO form: color images of 2560 x 1920 pixels.

    The second round of Tianchi's contest of 2018 on surface defects of
    aluminium profiles, whose boxes are polygons of labelme. The Chinese names
    of its classes are translated. All arguments are those of
    ``mmdet.datasets.CocoDataset``; ``filter_cfg=dict(filter_empty_gt=False)``
    keeps the defect-free images.
    """

    METAINFO = dict(
        classes=(
            'corner_leakage',
            'dirty_spot',
            'jet',
            'leakage',
            'non_conductive',
            'orange_peel',
            'paint_bubble',
            'pit',
            'scratch',
            'variegated',
        ),
        palette=[
            (230, 160, 20),
            (30, 160, 60),
            (150, 70, 200),
            (220, 60, 20),
            (20, 170, 190),
            (240, 110, 170),
            (130, 90, 50),
            (120, 190, 40),
            (40, 110, 230),
            (110, 110, 110),
        ],
    )
    PREPARE_COMMAND = (
        'python tools/prepare_dataset.py labelme <Tianchi folder> '
        'data/tianchi '
        '--rename configs/_base_/datasets/class_names/tianchi.txt '
        '--few-shot 10'
    )
