"""COCO annotations that are missing or labeled in another order are errors.

mmdet numbers the classes in the order of the *file*, whatever order the
dataset's classes are in, and skips categories it does not find. A file made
by another tool would train a detector whose class names are wrong.
"""

from collections.abc import Sequence
from pathlib import Path

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO

from ..utils.errors import InputError, MissingFileError


class OrderedCOCO(COCO):
    """The annotations of one file, sure of the order of its categories."""

    def get_cat_ids(
        self,
        cat_names: Sequence[str] = (),
        sup_names: Sequence[str] = (),
        cat_ids: Sequence[int] = (),
    ) -> list[int]:
        """Gets category ids as ``pycocotools`` does.

        Args:
            cat_names (Sequence[str]): Names to look for. Empty means all, as
                it does below. Defaults to ().
            sup_names (Sequence[str]): Supercategories. Defaults to ().
            cat_ids (Sequence[int]): Ids to choose from. Defaults to ().

        Returns:
            list[int]: Ids in the order of the file.

        Raises:
            ValueError: If the file lacks one of ``cat_names`` or has them in
                another order.
        """
        ids = super().get_cat_ids(cat_names, sup_names, cat_ids)
        found = [category['name'] for category in self.load_cats(ids)]
        if cat_names and found != list(cat_names):
            every = [category['name'] for category in self.cats.values()]
            msg = (
                f'the annotation file has the categories {every}, the '
                f'dataset needs {list(cat_names)} in this order: set '
                'metainfo=dict(classes=...) to those of the file, or '
                'prepare the file again'
            )
            raise InputError(msg)
        return ids


class PreparedCocoDataset(CocoDataset):
    """A COCO dataset whose files come from ``tools/prepare_dataset.py``.

    Subclasses set ``PREPARE_COMMAND``, the command which makes the files.
    All arguments are those of ``mmdet.datasets.CocoDataset``.
    """

    COCOAPI = OrderedCOCO
    PREPARE_COMMAND = ''

    def load_data_list(self) -> list[dict]:
        """Loads the annotations.

        Returns:
            list[dict]: One entry per image, as mmdet's.

        Raises:
            FileNotFoundError: If the annotation file is missing.
            ValueError: If its categories are not the dataset's classes.
        """
        # Anything with a scheme (s3://...) is for the file backend to find.
        local = '://' not in self.ann_file
        if local and not Path(self.ann_file).is_file():
            msg = (
                f'{type(self).__name__}: no annotation file at '
                f'{Path(self.ann_file).resolve()}: make it with '
                f'`{self.PREPARE_COMMAND}`'
            )
            raise MissingFileError(msg)
        return super().load_data_list()
