"""COCO data sets that check their annotation file and its categories.

mmdet numbers the classes in the order of the *file*, whatever the order of
the dataset's classes, and skips categories that it does not find. With the
file of another tool a detector would get wrong class names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.api_wrappers import COCO

from ..utils.errors import InputError, MissingFileError


class OrderedCOCO(COCO):
    """COCO annotations whose categories are in the order of the classes."""

    def get_cat_ids(
        self, cat_names: Sequence[str] = (), *args: Any, **kwargs: Any
    ) -> list[int]:
        """Category ids as in pycocotools, in the order of the file.

        Raises:
            ValueError: The file lacks one of ``cat_names`` or has them in
                another order.
        """
        ids = super().get_cat_ids(cat_names, *args, **kwargs)
        found = [category['name'] for category in self.load_cats(ids)]
        if cat_names and found != list(cat_names):
            names = [category['name'] for category in self.cats.values()]
            msg = (
                f'the annotation file has the categories {names}, the '
                f'dataset needs {list(cat_names)} in this order: set '
                'metainfo=dict(classes=...) to those of the file, or '
                'prepare the file again'
            )
            raise InputError(msg)
        return ids


class PreparedCocoDataset(CocoDataset):
    """A COCO dataset whose files come from ``tools/prepare_dataset.py``.

    Subclasses set ``PREPARE_COMMAND``, which makes the files. All arguments
    are those of ``mmdet.datasets.CocoDataset``.
    """

    COCOAPI = OrderedCOCO
    PREPARE_COMMAND = ''

    def load_data_list(self) -> list[dict]:
        """Loads the annotations, as mmdet does.

        Raises:
            FileNotFoundError: The annotation file is missing.
            ValueError: Its categories are not the dataset's classes.
        """
        # The file backend finds anything with a scheme (s3://...).
        local = '://' not in self.ann_file
        if local and not Path(self.ann_file).is_file():
            msg = (
                f'{type(self).__name__}: no annotation file at '
                f'{Path(self.ann_file).resolve()}: make it with '
                f'`{self.PREPARE_COMMAND}`'
            )
            raise MissingFileError(msg)
        return super().load_data_list()
