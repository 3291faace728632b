"""Aluminium plate surfaces with the three kinds of defect of the paper."""

from pathlib import Path

from mmdet.registry import DATASETS

from ..demo.defects import DEFECTS
from ..demo.plates import make_demo_set
from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class AluminiumPlateDataset(PreparedCocoDataset):
    """Aluminium plate: corrosion, dent and scratch.

    The built-in demo set is of this kind. All arguments are those of
    ``mmdet.datasets.CocoDataset``.
    """

    METAINFO = dict(
        classes=tuple(DEFECTS),
        palette=[(220, 60, 20), (30, 160, 60), (40, 110, 230)],
    )
    PREPARE_COMMAND = 'python tools/prepare_dataset.py demo data/demo'

    @staticmethod
    def make(data_root: str) -> None:
        """Draws the demo set.

        Args:
            data_root (str): Folder to make.
        """
        make_demo_set(Path(data_root))
