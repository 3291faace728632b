"""Which images a dataset shows, and the record of those of a training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from ..datasets.defect_window_dataset import DefectWindowDataset
from ..datasets.images_seen import (
    Record,
    merge_records,
    read_record,
    record_images,
)
from .annotation_files import annotation_paths
from .pipelines import innermost_datasets


def image_paths(dataset: Any) -> Iterator[str]:
    """Files of the images that a built dataset shows.

    Args:
        dataset (Any): A dataset, also in MMEngine's and mmdet's wrappers.

    Yields:
        str: Path of an image as the dataset names it, perhaps repeatedly;
        nothing of a dataset of another kind than MMEngine's.
    """
    for inner in innermost_datasets(dataset):
        if isinstance(inner, DefectWindowDataset):
            yield from (str(image.path) for image in inner.data.images)
        elif isinstance(inner, BaseDataset):
            inner.full_init()
            for index in range(len(inner)):
                path = inner.get_data_info(index).get('img_path')
                if path:
                    yield str(path)


def images_trained_on(dataset: Any) -> Record | None:
    """The record of the images that a training sees.

    The windows of a defect bank are parts of other images, so the images
    that the bank was made from stand in their place.

    Args:
        dataset (Any): The built training dataset.

    Returns:
        dict | None: None where the dataset does not tell its files.
    """
    folders = {path.parent for path in annotation_paths(dataset)}
    banks = {folder: read_record(folder) for folder in sorted(folders)}
    banks = {f.resolve(): r for f, r in banks.items() if r is not None}
    paths = list(dict.fromkeys(image_paths(dataset)))
    own = [
        path
        for path in paths
        if not banks.keys() & set(Path(path).resolve().parents)
    ]
    return merge_records(record_images(own) if own else None, *banks.values())
