"""What labels and teachers know of defects, as one COCO data set.

A generator learns from both, and paints on all of their images.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

FILE = 'defects.json'  # beside the scenes

# Boxes of teachers that are at least this likely right are defects. Less
# likely ones are crowd regions: neither learned nor taken for defect-free.
CONFIDENT = 0.5


def common_prefix(prefixes: Iterable[str | Path]) -> Path:
    """The folder that all file names of the joined set start from.

    Args:
        prefixes (Iterable[str | Path]): Of the labeled and the unlabeled
            images.

    Returns:
        Path: Theirs, as it was given, where they have one.
    """
    paths = [Path(prefix) for prefix in prefixes]
    if len({path.absolute() for path in paths}) == 1:
        return paths[0]
    return Path(os.path.commonpath([path.absolute() for path in paths]))


def known_defects(
    labeled: Mapping,
    labeled_prefix: Path,
    scenes: Mapping,
    scenes_prefix: Path,
    chances: Mapping[int, float],
) -> dict:
    """Joins labels and confident pseudo-labels.

    Args:
        labeled (Mapping): COCO annotations.
        labeled_prefix (Path): Folder that their file names start from.
        scenes (Mapping): From
            :func:`~mmdet_ddpm_moco.teacher.pseudo_labels.pseudo_coco`, of
            other images, and with all or some of the same categories.
        scenes_prefix (Path): Likewise.
        chances (Mapping[int, float]): How surely labeled defects are found,
            by annotation id, from
            :func:`~mmdet_ddpm_moco.teacher.misses.chances_found`.

    Returns:
        dict: COCO ``images``, with file names from
        :func:`common_prefix` (absolute ones of files elsewhere stay),
        ``annotations`` and ``categories``. Ids of the labels stay as they
        are. ``found``, in [0, 1], says how surely a detector that did not see
        a defect finds it: of a pseudo-label, its probability. Images of
        scenes are ``pseudo_labeled``. A pseudo-label has ``iscrowd`` 1 where
        it is not :data:`CONFIDENT`.
    """
    prefix = common_prefix([labeled_prefix, scenes_prefix]).absolute()

    def named(image: Mapping, own: Path, shift: int) -> dict:
        path = own.absolute() / image['file_name']
        if path.is_relative_to(prefix):
            path = path.relative_to(prefix)
        return dict(image, id=image['id'] + shift, file_name=path.as_posix())

    images = [named(i, labeled_prefix, 0) for i in labeled['images']]
    annotations = [
        dict(a, found=round(chances[a['id']], 4)) if a['id'] in chances else a
        for a in labeled['annotations']
    ]
    above = 1 + max((i['id'] for i in images), default=0)
    lowest = min((i['id'] for i in scenes['images']), default=0)
    shift = above - lowest
    images += [
        dict(named(i, scenes_prefix, shift), pseudo_labeled=True)
        for i in scenes['images']
    ]
    first = 1 + max((a['id'] for a in annotations), default=0)
    annotations += [
        dict(
            annotation,
            id=number,
            image_id=annotation['image_id'] + shift,
            iscrowd=int(annotation['probability'] < CONFIDENT),
            found=annotation['probability'],
        )
        for number, annotation in enumerate(scenes['annotations'], first)
    ]
    return dict(
        images=images,
        annotations=annotations,
        categories=[dict(c) for c in labeled['categories']],
    )
