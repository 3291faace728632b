"""Severstal's steel sheets: four classes of defects, with masks."""

from mmdet.registry import DATASETS

from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class SeverstalDataset(PreparedCocoDataset):
    """Severstal in COCO form, with boxes and masks.

    12,568 gray images of 1600 x 256 pixels, about half of them without
    defects (Kaggle, "Severstal: Steel Defect Detection", 2019). Its classes
    have numbers only, which are the names here; so the ids of the categories
    are the ``ClassId`` of its board. All arguments are those of
    ``mmdet.datasets.CocoDataset``; ``filter_cfg=dict(filter_empty_gt=False)``
    keeps the defect-free images.
    """

    METAINFO = dict(
        classes=('1', '2', '3', '4'),
        palette=[
            (230, 160, 20),
            (220, 60, 20),
            (30, 160, 60),
            (40, 110, 230),
        ],
    )
    PREPARE_COMMAND = (
        'python tools/prepare_dataset.py masks <Severstal folder> '
        'data/severstal --few-shot 10'
    )
