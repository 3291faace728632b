"""Aluminium plates with the three defect classes of DDPM-MoCo."""

from pathlib import Path

from mmdet.registry import DATASETS

from ..demo.defects import DEFECTS
from ..demo.plates import make_demo_set
from .checked_coco import PreparedCocoDataset


@DATASETS.register_module()
class AluminiumPlateDataset(PreparedCocoDataset):
    """Aluminium plate: corrosion, dent and scratch.

    The classes of DDPM-MoCo (arXiv 2407.03332) and of the demo data set. All
    arguments are those of ``mmdet.datasets.CocoDataset``.
    """

    METAINFO = dict(
        classes=tuple(DEFECTS),
        palette=[(220, 60, 20), (30, 160, 60), (40, 110, 230)],
    )
    PREPARE_COMMAND = 'python tools/prepare_dataset.py demo data/demo'

    @staticmethod
    def make(data_root: str) -> None:
        """Draws the demo data set into a new folder."""
        make_demo_set(Path(data_root))
