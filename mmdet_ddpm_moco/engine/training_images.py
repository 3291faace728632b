"""The annotation files and images of a training, for its provenance record.

A backbone or generator carries the record, so that a detector can check
whether the images it is tested on are in it.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset

from ..checkpoints.backbone_file import images_seen_by
from ..checkpoints.weights_only import load_weights_only
from ..datasets.defect_window_dataset import DefectWindowDataset
from ..utils.provenance import (
    Record,
    merge_records,
    read_record,
    record_images,
)
from .inputs import own_hooks
from .pipelines import config_dicts, innermost_datasets, type_name


def annotation_hashes(dataset: Any) -> dict[str, str | None]:
    """Hashes the annotation files of a dataset.

    Those of ``ann_file`` and ``sources`` (dicts with an ``ann_file``) of the
    dataset or of those it wraps.

    Returns:
        dict[str, str | None]: SHA-256 in hex by file as the dataset names
        it; None where it is not a local file.
    """
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path else None
        for name, path in _ann_files(dataset)
    }


def _ann_files(dataset: Any) -> Iterator[tuple[str, Path | None]]:
    """Annotation files by name, and where they are; None if not local."""
    for inner in innermost_datasets(dataset):
        for holder in (vars(inner), *getattr(inner, 'sources', ())):
            name = holder.get('ann_file')
            if name:
                root = Path(holder.get('data_root') or '')
                places = (Path(name), root / name)
                yield str(name), next((p for p in places if p.is_file()), None)


def image_paths(dataset: Any) -> Iterator[str]:
    """Files of the images of a built dataset, perhaps in wrappers.

    Yields:
        str: Path of an image as the dataset names it, perhaps repeatedly;
        nothing of a dataset that is not MMEngine's.
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
    """The provenance record of a training dataset.

    The windows of a defect bank are parts of other images; the record of the
    bank is used instead of theirs.

    Returns:
        dict | None: None where the dataset does not name its files.
    """
    folders = {path.parent for _, path in _ann_files(dataset) if path}
    banks = {folder: read_record(folder) for folder in sorted(folders)}
    banks = {f.resolve(): r for f, r in banks.items() if r is not None}
    own = [
        path
        for path in dict.fromkeys(image_paths(dataset))
        if not banks.keys() & set(Path(path).resolve().parents)
    ]
    return merge_records(record_images(own) if own else None, *banks.values())


def images_seen_before(cfg: Config) -> Record | None:
    """The provenance record of the weights that a training starts from.

    They are those of ``load_from``, of an ``init_cfg`` in the model and of
    this package's hooks.

    Returns:
        dict | None: None where no file has a record, as those of others.
    """
    named = [
        cfg.get('load_from'),
        *(
            part.get('checkpoint')
            for part in config_dicts(cfg.get('model'))
            if type_name(part) == 'Pretrained'
        ),
        *(hook.get('checkpoint') for hook in own_hooks(cfg)),
    ]
    # Others, such as torchvision://, have no record.
    files = [Path(file) for file in named if file and Path(file).is_file()]
    return merge_records(
        *(images_seen_by(load_weights_only(file), file) for file in files)
    )
