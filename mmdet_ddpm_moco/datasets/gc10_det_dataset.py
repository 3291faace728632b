"""GC10-DET: ten kinds of defects on steel sheets."""

from mmdet.registry import DATASETS

from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class GC10DETDataset(PreparedCocoDataset):
    """GC10-DET in COCO form: gray images of 2048 x 1000 pixels.

    About 2,300 are labeled (Lv et al., "Deep Metallic Surface Defect
    Detection", Sensors 20, 2020); those without an annotation are in
    ``annotations/unlabeled.json``. The classes have the English names of the
    literature. All arguments are those of ``mmdet.datasets.CocoDataset``.
    """

    METAINFO = dict(
        classes=(
            'crease',
            'crescent_gap',
            'inclusion',
            'oil_spot',
            'punching_hole',
            'rolled_pit',
            'silk_spot',
            'waist_folding',
            'water_spot',
            'welding_line',
        ),
        palette=[
            (230, 160, 20),
            (30, 160, 60),
            (150, 70, 200),
            (220, 60, 20),
            (20, 170, 190),
            (40, 110, 230),
            (240, 110, 170),
            (130, 90, 50),
            (120, 190, 40),
            (110, 110, 110),
        ],
    )
    PREPARE_COMMAND = (
        'python tools/prepare_dataset.py voc <GC10-DET folder> data/GC10-DET '
        '--rename configs/_base_/datasets/class_names/gc10-det.txt '
        '--few-shot 10'
    )
