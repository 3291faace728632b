"""Sets of images: those that are labeled, and those that are not yet."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from PIL import Image

from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import IMAGE_SUFFIXES
from ..utils.provenance import fingerprints
from .pipelines import config_dicts


@dataclass(frozen=True)
class ImageSet:
    """Images and, where they are labeled, their boxes.

    Attributes:
        ann_file (Path): Where they come from.
        coco (dict): COCO ``images``, ``annotations`` and ``categories``.
        prefix (Path): Folder that the file names start from.
    """

    ann_file: Path
    coco: dict
    prefix: Path

    @classmethod
    def read(cls, ann_file: str | Path, prefix: str | Path) -> 'ImageSet':
        """Reads a COCO json.

        Raises:
            FileNotFoundError: It is not there.
        """
        if not Path(ann_file).is_file():
            msg = (
                f'no annotations at {ann_file}; make them with '
                'tools/prepare_dataset.py'
            )
            raise MissingFileError(msg)
        coco = json.loads(Path(ann_file).read_bytes())
        return cls(Path(ann_file), coco, Path(prefix))

    def paths(self) -> Iterator[Path]:
        """Files of the images."""
        for image in self.coco['images']:
            yield self.prefix / image['file_name']

    def subset(self, names: set[str]) -> dict:
        """COCO annotations of some of the images."""
        images = [i for i in self.coco['images'] if i['file_name'] in names]
        ids = {image['id'] for image in images}
        kept = [a for a in self.coco['annotations'] if a['image_id'] in ids]
        return dict(self.coco, images=images, annotations=kept)


def labeled_images(cfg: Config) -> ImageSet:
    """The training images of a detector config.

    Args:
        cfg (Config): With one COCO data set, however wrapped.

    Returns:
        ImageSet: Its images and boxes.

    Raises:
        FileNotFoundError: Its annotations are missing.
        ValueError: It has none, or several data sets.
    """
    return ImageSet.read(*labeled_source(cfg))


def labeled_source(cfg: Config) -> tuple[Path, Path]:
    """Annotations of :func:`labeled_images`, and the folder of the images.

    Nothing is read.
    """
    found = [
        d for d in config_dicts(cfg.train_dataloader) if d.get('ann_file')
    ]
    if len(found) != 1:
        msg = (
            f'{cfg.filename} trains on {len(found)} annotation files, and '
            'teachers need one; join them into one COCO json'
        )
        raise InputError(msg)
    (dataset,) = found
    root = Path(dataset.get('data_root') or '')
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return root / dataset['ann_file'], root / prefix


def image_files(folder: Path) -> list[Path]:
    """All images in a folder and those below it, sorted."""
    return [
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]


def unlabeled_source(
    source: str | Path, prefix: str | Path | None, labeled: Path
) -> Path:
    """Folder that the file names of unlabeled images start from.

    Arguments are those of :func:`unlabeled_images`, with the prefix of the
    labeled images.
    """
    return Path(source) if Path(source).is_dir() else Path(prefix or labeled)


def unlabeled_images(
    source: str | Path, prefix: str | Path | None, labeled: ImageSet
) -> ImageSet:
    """Images to be labeled: those of a source that are not labeled yet.

    Args:
        source (str | Path): A COCO json, or a folder of images.
        prefix (str | Path | None): Folder that the json's file names start
            from; None takes that of the labeled images.
        labeled (ImageSet): Images left out, by the contents of the files.

    Returns:
        ImageSet: Without annotations.

    Raises:
        FileNotFoundError: There is no such source, or an image is missing.
        ValueError: No image is left.
    """
    source = Path(source)
    start = unlabeled_source(source, prefix, labeled.prefix)
    if source.is_dir():
        images: list[dict] = []
        for path in image_files(source):
            with Image.open(path) as opened:
                width, height = opened.size
            images.append(
                dict(
                    id=len(images) + 1,
                    file_name=path.relative_to(source).as_posix(),
                    width=width,
                    height=height,
                )
            )
        found = ImageSet(source, dict(images=images), start)
    else:
        found = ImageSet.read(source, start)
    known = {f.content for f in fingerprints(labeled.paths()).values()}
    ours = fingerprints(found.paths())
    paths = [str(path) for path in found.paths()]
    missing = [path for path in paths if path not in ours]
    if missing:
        # Not after days of training.
        msg = (
            f'{missing[0]} is missing, one of {len(missing)} of '
            f'{len(paths)} images of {source}; prepare the data set again, '
            'or give the folder that the file names start from'
        )
        raise MissingFileError(msg)
    kept = [
        image
        for image, path in zip(found.coco['images'], paths, strict=True)
        if ours[path].content not in known
    ]
    if not kept:
        msg = f'{source} has no image that is not labeled already'
        raise InputError(msg)
    coco = dict(
        images=kept, annotations=[], categories=labeled.coco['categories']
    )
    return ImageSet(source, coco, found.prefix)
