"""Images that the stages of a fold must not see, and lists without them.

What is left out is what the check of leakage would find: copies of an image
and near copies, under whatever name.
"""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ..conversion.groups import Groups
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes, json_bytes
from ..utils.provenance import (
    find_copies,
    fingerprints,
    pairs_of_copies,
    record_images,
)
from .image_sets import ImageSet, unlabeled_images
from .inputs import ann_files, images_of
from .pipelines import config_dicts


def groups_with_copies(labeled: ImageSet) -> dict[str, int]:
    """Groups of labeled images that no fold may cut.

    Returns:
        dict[str, int]: By file name. Images that share their ``group``, or
        are near copies of each other, are in one.
    """
    images = labeled.coco['images']
    groups = Groups(len(images))
    first: dict[Any, int] = {}
    for index, image in enumerate(images):
        if 'group' in image:
            groups.join(index, first.setdefault(image['group'], index))
    places = {str(path): index for index, path in enumerate(labeled.paths())}
    for one, other in pairs_of_copies(fingerprints(places)):
        groups.join(places[one], places[other])
    names = [image['file_name'] for image in images]
    return dict(zip(names, groups.tolist(), strict=True))


class HeldOut:
    """The labeled images of a fold.

    Args:
        labeled (ImageSet): All labeled images.
        names (Collection[str]): File names of those of the fold.
        folder (Path): Lists are written there.

    Attributes:
        test (str): Annotations of the fold.
        train (str): Annotations of the other folds.
        prefix (str): Folder that the file names of both start from.
    """

    def __init__(
        self, labeled: ImageSet, names: Collection[str], folder: Path
    ) -> None:
        self._labeled = labeled
        self._folder = folder.resolve()
        self._others: dict[Path, str] = {}  # lists without the fold
        self.prefix = str(labeled.prefix.resolve())
        others = {i['file_name'] for i in labeled.coco['images']} - {*names}
        self.test = self._write('held_out', labeled.subset({*names}))
        self.train = self._write('labeled', labeled.subset(others))
        self._record = record_images(labeled.prefix / name for name in names)

    def leave_out(self, part: Any) -> None:
        """Replaces annotations in a part of a config, in place.

        Raises:
            ValueError: A folder or a table has images of the fold.
        """
        for source in config_dicts(part):
            self._check_listing(source)
            own = {k: source.get(k) for k in ('ann_file', 'data_root')}
            for file in map(Path, ann_files(own)):
                if file.resolve() == self._labeled.ann_file.resolve():
                    source['ann_file'] = self.train
                # What is below the folder is made for this fold.
                elif file.is_file() and self._folder not in (
                    file.resolve().parents
                ):
                    if file not in self._others:
                        self._others[file] = self._filtered(file, source)
                    source['ann_file'] = self._others[file]

    def unlabeled(self, source: str, prefix: str | Path) -> tuple[str, str]:
        """Writes a list of unlabeled images.

        Args:
            source (str): See
                :func:`~mmdet_ddpm_moco.engine.image_sets.unlabeled_images`.
            prefix (str | Path): Likewise.

        Returns:
            tuple[str, str]: The list, and the folder that its file names
            start from.

        Raises:
            FileNotFoundError: There is no such source.
            ValueError: No image is left.
        """
        found = unlabeled_images(source, prefix, self._labeled)
        names = self._names_left(found)
        if not names:
            msg = (
                f'all images of {source} are near copies of labeled ones, '
                'which teachers must not see in admission; name others as '
                'stages.teacher.unlabeled'
            )
            raise InputError(msg)
        file = self._write('unlabeled', found.subset(names))
        return file, str(found.prefix.resolve())

    def _write(self, name: str, coco: dict) -> str:
        file = self._folder / f'{name}.json'
        atomic_write_bytes(file, json_bytes(coco))
        return str(file)

    def _copies(self, paths: Iterable[Path]) -> set[str]:
        found = find_copies(fingerprints(paths), self._record)
        return {copy.path for copy in found}

    def _names_left(self, images: ImageSet) -> set[str]:
        copies = self._copies(images.paths())
        return {
            image['file_name']
            for image, path in zip(images.coco['images'], images.paths())
            if str(path) not in copies
        }

    def _check_listing(self, source: dict) -> None:
        listing = source.get('img_folder') or source.get('table')
        if listing and self._copies(images_of(source)):
            msg = (
                f'{listing} has labeled images, or near copies of them, and '
                'admission needs the contrast without those of a fold: name '
                'a COCO json of the images instead, as ann_file'
            )
            raise InputError(msg)

    def _filtered(self, file: Path, source: dict) -> str:
        """A COCO json without the images of the fold, perhaps itself."""
        coco = json.loads(file.read_bytes())
        prefix = source.get('img_prefix')
        if prefix is None:
            inner = (source.get('data_prefix') or {}).get('img', '')
            prefix = Path(source.get('data_root') or '') / inner
        images = ImageSet(file, coco, Path(prefix))
        names = self._names_left(images)
        if len(names) == len(coco['images']):
            return str(file.resolve())
        return self._write(f'others_{len(self._others)}', images.subset(names))
