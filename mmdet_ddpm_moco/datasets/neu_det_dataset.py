"""NEU-DET, the hot-rolled steel strip benchmark with six defect classes."""

from mmdet.registry import DATASETS

from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class NEUDETDataset(PreparedCocoDataset):
    """NEU-DET in COCO form: 1,800 gray images of 200 x 200 pixels.

    All arguments are those of ``mmdet.datasets.CocoDataset``.
    """

    METAINFO = dict(
        classes=(
            'crazing',
            'inclusion',
            'patches',
            'pitted_surface',
            'rolled-in_scale',
            'scratches',
        ),
        palette=[
            (230, 160, 20),
            (30, 160, 60),
            (150, 70, 200),
            (220, 60, 20),
            (20, 170, 190),
            (40, 110, 230),
        ],
    )
    PREPARE_COMMAND = (
        'python tools/prepare_dataset.py voc <NEU-DET folder> data/NEU-DET '
        '--resplit --few-shot 10 20 40'
    )
