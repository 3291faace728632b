"""The layout of MVTec AD, of which the format of masks reads one object.

Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 129, 2021.
"""

from dataclasses import replace
from pathlib import Path

from ...utils.errors import MissingFileError
from ...utils.fileio import IMAGE_SUFFIXES
from ..folder_names import is_defect_free
from ..layout import SourceTree, walk

MASKS = 'ground_truth'
_SUFFIX = '_mask'  # of the stems of masks


def is_layout(src: Path) -> bool:
    """Whether a folder is an object of MVTec AD, or holds several.

    Raises:
        FileNotFoundError: If it holds several.
    """
    several = sorted(folder.parent.name for folder in src.glob(f'*/{MASKS}'))
    if several and not (src / MASKS).is_dir():
        raise MissingFileError(
            f'{src} holds {len(several)} objects; convert each of them by '
            f'itself, {src / several[0]} for one'
        )
    return (src / MASKS).is_dir()


def find(src: Path) -> SourceTree:
    """Finds images and masks; folders of defects are classes.

    Raises:
        FileNotFoundError: If there are no images or no masks.
    """
    tree = SourceTree([], [], [])
    for split in ('train', 'test'):
        for file in walk(src, split, src / split):
            kind = file.folder.split('/')[0]
            kind = '' if is_defect_free(kind) else kind
            known = file.path.suffix.lower() in IMAGE_SUFFIXES
            found = tree.images if known else tree.strays
            found.append(replace(file, kind=kind))
    for file in walk(src, 'test', src / MASKS):
        if file.path.suffix.lower() in IMAGE_SUFFIXES:
            named = file.path.stem.removesuffix(_SUFFIX)
            kind = file.folder.split('/')[0]
            tree.annotations.append(replace(file, kind=kind, image_stem=named))
        else:
            tree.strays.append(file)
    if not tree.images or not tree.annotations:
        missing = 'masks' if tree.images else 'images'
        raise MissingFileError(
            f'{src} holds no {missing}; looked for train/good/, test/<kind>/ '
            f'and {MASKS}/<kind>/, as MVTec AD has them'
        )
    return tree
