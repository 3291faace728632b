"""Sets of images: those that are labeled, and those that are not yet."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from ..utils.checks import check_class_order, refuse_damaged
from ..utils.errors import InputError, MissingFileError
from ..utils.image_files import image_files, image_size
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
            ValueError: It is damaged.
        """
        if not Path(ann_file).is_file():
            msg = (
                f'no annotations at {ann_file}; make them with '
                'tools/prepare_dataset.py'
            )
            raise MissingFileError(msg)
        with refuse_damaged(ann_file):
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
        # Lists of images alone need no annotations.
        known = self.coco.get('annotations', ())
        kept = [a for a in known if a['image_id'] in ids]
        return dict(self.coco, images=images, annotations=kept)

    def of_classes(self, names: Sequence[str]) -> 'ImageSet':
        """The same images with the labels that a detector uses.

        Args:
            names (Sequence[str]): Its classes. Other categories are left
                out, as mmdet does; ids and order stay.

        Raises:
            ValueError: A class is missing among the categories, two share a
                name, or their order is another one.
        """
        found = [category['name'] for category in self.coco['categories']]
        if len(set(found)) < len(found):
            msg = (
                f'{self.ann_file} has several categories of one name: '
                f'{", ".join(found)}; rename or remove all but one'
            )
            raise InputError(msg)
        if lacking := [name for name in names if name not in found]:
            msg = (
                f'{self.ann_file} has the categories {", ".join(found)}, but '
                f'not {", ".join(lacking)} of the detector; set '
                'metainfo=dict(classes=...) of its training set to what is '
                'labeled'
            )
            raise InputError(msg)
        check_class_order(self.ann_file, names, self.coco['categories'])
        kept = [c for c in self.coco['categories'] if c['name'] in names]
        ids = {category['id'] for category in kept}
        boxes = [
            a for a in self.coco['annotations'] if a['category_id'] in ids
        ]
        coco = dict(self.coco, annotations=boxes, categories=kept)
        return replace(self, coco=coco)


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
    dataset = labeled_dataset(cfg)
    root = Path(dataset.get('data_root') or '')
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return root / dataset['ann_file'], root / prefix


def labeled_dataset(cfg: Config) -> dict:
    """Config of the data set of :func:`labeled_images`, not a copy."""
    found = [
        d for d in config_dicts(cfg.train_dataloader) if d.get('ann_file')
    ]
    if len(found) != 1:
        msg = (
            f'{cfg.filename} trains on {len(found)} annotation files, and '
            'teachers need one; join them into one COCO json'
        )
        raise InputError(msg)
    return found[0]


def check_for_teachers(images: ImageSet) -> None:
    """Checks what would stop teachers after the first of them is trained.

    Raises:
        FileNotFoundError: An image is missing.
        ValueError: An image cannot be read or is not of the size in its
            annotations, or an id is no number.
    """
    for kind in ('images', 'annotations'):
        for entry in images.coco[kind]:
            if not isinstance(entry.get('id'), (int, float)):
                msg = (
                    f'{images.ann_file} has the id {entry.get("id")!r} among '
                    f'its {kind}, and teachers need numbers; number them'
                )
                raise InputError(msg)
    paths = [*images.paths()]
    with ThreadPoolExecutor() as pool:
        sizes = [*pool.map(image_size, paths)]
    for image, path, size in zip(images.coco['images'], paths, sizes):
        stated = {side: image.get(side) for side in size}
        if stated != size:
            found, told = (
                f'{s["width"]}x{s["height"]}' for s in (size, stated)
            )
            msg = (
                f'{path} is loaded with {found} pixels, turned if its EXIF '
                f'data say so, and has {told} in {images.ann_file}; prepare '
                'the data set again'
            )
            raise InputError(msg)


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
        ImageSet: Without annotations. Images are numbered from 1 where the
        json has ids that are no different numbers.

    Raises:
        FileNotFoundError: There is no such source, or an image is missing.
        ValueError: No image is left, or one cannot be read.
    """
    source = Path(source)
    start = unlabeled_source(source, prefix, labeled.prefix)
    if source.is_dir():
        images = [
            dict(id=number, file_name=path.relative_to(source).as_posix())
            for number, path in enumerate(image_files(source), 1)
        ]
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
        for image, path in zip(_numbered(found.coco['images']), paths)
        if ours[path].content not in known
    ]
    if not kept:
        msg = f'{source} has no image that is not labeled already'
        raise InputError(msg)
    coco = dict(
        images=_sized(kept, found.prefix),
        annotations=[],
        categories=labeled.coco['categories'],
    )
    return ImageSet(source, coco, found.prefix)


def _numbered(images: Sequence[dict]) -> Sequence[dict]:
    """Images whose ids are different numbers."""
    ids = [image.get('id') for image in images]
    numbers = all(isinstance(own, (int, float)) for own in ids)
    if numbers and len(set(ids)) == len(ids):
        return images
    return [dict(image, id=n) for n, image in enumerate(images, 1)]


def _sized(images: Sequence[dict], prefix: Path) -> list[dict]:
    """Images with the sizes that they lack."""

    def sized(image: dict) -> dict:
        if {'width', 'height'} <= set(image):
            return image
        return dict(image, **image_size(prefix / image['file_name']))

    with ThreadPoolExecutor() as pool:
        return [*pool.map(sized, images)]
