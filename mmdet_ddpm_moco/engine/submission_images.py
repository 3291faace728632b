"""The images of a submission: those of a list, of a folder or of a config."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..conversion.layout import natural_key
from ..evaluation.coco_results import check_images
from ..utils.checks import check_annotations
from ..utils.coco_annotations import complete_annotations
from ..utils.errors import InputError, MissingFileError
from ..utils.image_files import image_files, image_size
from .image_sets import ImageSet
from .pipelines import config_dicts


def submission_images(
    cfg: Config,
    classes: Sequence[str],
    source: str | Path | None = None,
    prefix: str | Path | None = None,
) -> ImageSet:
    """Reads the images that are to be submitted.

    Args:
        cfg (Config): Of the detector.
        classes (Sequence[str]): Its classes, in the order of the labels.
        source (str | Path | None): A COCO json with ``images``, whose ids
            are kept, or a folder, whose images get ids from 1 in natural
            order of their names. Defaults to None, the config's test set.
        prefix (str | Path | None): Folder that the file names of a json
            start from. Defaults to None, that of the config's test images.

    Returns:
        ImageSet: With ``annotations``, none where they are not known. Its
        ``categories`` are the detector's classes in the order of its labels,
        with the ids of the json; without categories in it, with those of
        the config's test set; without that, from 1.

    Raises:
        FileNotFoundError: There is no such source, or an image is missing.
        ValueError: An image cannot be read, or is listed twice; a class is
            missing among the categories, or an annotation has no box.
    """
    test_file, test_prefix = test_set(cfg)
    if source is not None and Path(source).is_dir():
        source = Path(source)
        coco: dict[str, Any] = dict(images=_list_folder(source))
        prefix = source
    else:
        source = Path(test_file if source is None else source)
        prefix = Path(test_prefix if prefix is None else prefix)
        coco = _read_list(source)
    check_images(coco['images'], str(source))
    paths = [prefix / image['file_name'] for image in coco['images']]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        msg = (
            f'{missing[0]} is missing, one of {len(missing)} of {len(paths)} '
            f'images of {source}; give the folder that its file names start '
            'from as --images-prefix'
        )
        raise MissingFileError(msg)
    images = [
        image
        if {'width', 'height'} <= set(image)
        else dict(image, **image_size(path))
        for image, path in zip(coco['images'], paths)
    ]
    categories = coco.get('categories')
    if not categories and Path(test_file).is_file():
        categories = _read_list(Path(test_file)).get('categories')
    if not categories:
        categories = [dict(id=i, name=n) for i, n in enumerate(classes, 1)]
    by_name = {category['name']: category for category in categories}
    unknown = [name for name in classes if name not in by_name]
    if unknown:
        msg = (
            f'{source} has the categories {", ".join(by_name)}, the detector '
            f'also finds {", ".join(unknown)}; name its classes so'
        )
        raise InputError(msg)
    found = dict(
        images=images,
        annotations=complete_annotations(
            coco.get('annotations') or [], source
        ),
        categories=[by_name[name] for name in classes],
    )
    return ImageSet(source, found, prefix)


def test_set(cfg: Config) -> tuple[Path, Path]:
    """Annotation file of the config's test set, and folder of its images."""
    dataset = test_dataset(cfg)
    root = Path(dataset.get('data_root') or '')
    folder = (dataset.get('data_prefix') or {}).get('img', '')
    return root / dataset['ann_file'], root / folder


def test_dataset(cfg: Config) -> dict:
    """Config of the test set, without wrappers.

    Raises:
        ValueError: There is none.
    """
    for dataset in config_dicts(cfg.get('test_dataloader')):
        if dataset.get('ann_file'):
            return dataset
    msg = f'{cfg.filename} has no test_dataloader with an ann_file; add one'
    raise InputError(msg)


def _read_list(file: Path) -> dict[str, Any]:
    check_annotations(file)
    try:
        coco = json.loads(file.read_bytes())
    except ValueError:
        coco = None
    if not isinstance(coco, dict) or not isinstance(coco.get('images'), list):
        msg = f'{file} is no COCO json with `images`; give one, or a folder'
        raise InputError(msg)
    return coco


def _list_folder(folder: Path) -> list[dict[str, Any]]:
    names = sorted(
        (path.relative_to(folder).as_posix() for path in image_files(folder)),
        key=natural_key,
    )
    return [
        dict(id=number, file_name=name, **image_size(folder / name))
        for number, name in enumerate(names, 1)
    ]
