"""Reads given splits from lists of image names.

Results are comparable only if everybody trains and tests on the same images.
Such lists are followed exactly or refused: nothing in them is guessed or
skipped.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..utils.errors import FileAccessError, InputError, MissingFileError
from .collect import Sample
from .report import Report
from .splits import SPLITS


@dataclass(frozen=True)
class GivenLists:
    """Lists by split, for each split that has one."""

    files: dict[str, Path]
    names: dict[str, list[str]]  # in the order of the file
    sha256: dict[str, str]  # of the file, in hex


def read_lists(folder: Path) -> GivenLists:
    """Reads ``train.txt`` and, where they exist, ``val.txt``, ``test.txt``.

    Each line names one image; blank lines and lines that start with ``#``
    are skipped. Other files in the folder are ignored.

    Raises:
        FileNotFoundError: If there is no such folder or no ``train.txt``.
        OSError: If a list cannot be read.
        ValueError: If a list is not UTF-8 text.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f'{folder} is not a folder; name the one that holds train.txt '
            'and, if wanted, val.txt and test.txt'
        )
    files = {split: folder / f'{split}.txt' for split in SPLITS}
    files = {split: path for split, path in files.items() if path.exists()}
    if 'train' not in files:
        raise MissingFileError(
            f'{folder / "train.txt"} is missing; of the lists only val.txt '
            'and test.txt may be left out'
        )
    given = GivenLists(files, {}, {})
    for split, path in files.items():
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FileAccessError(
                f'cannot read {path}: {error.strerror}'
            ) from error
        given.names[split] = _parse(data, path)
        given.sha256[split] = hashlib.sha256(data).hexdigest()
    return given


def match_lists(
    given: GivenLists, samples: Sequence[Sample], report: Report
) -> dict[str, list[str]]:
    """Finds the images that lists name.

    A name is that of an image in the conversion, or else, if unique, that
    name or the name of its file without folder or without folder and suffix.

    Labeled images that no list names are added to the report.

    Returns:
        dict[str, list[str]]: Names of the images of each split, in the order
        of ``samples``, so that the order of lines changes nothing. A split
        without a list is empty.

    Raises:
        ValueError: If a name fits no image, several, or one without usable
            annotation, or if an image is named more than once.
    """
    images = {sample.name: sample for sample in samples}
    short: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        # They differ where images of one name have been renamed.
        for path in (PurePosixPath(sample.name), sample.path):
            short[path.name].add(sample.name)
            short[path.stem].add(sample.name)
    split_of: dict[str, str] = {}
    wrong: dict[str, list[str]] = defaultdict(list)
    for split, names in given.names.items():
        for name in names:
            fits = [name] if name in images else sorted(short.get(name, ()))
            entry = f'{given.files[split]} names {name}, which'
            if not fits:
                wrong['correct the names or take them off the lists'].append(
                    f'{entry} is no readable image of the data set'
                )
            elif len(fits) > 1:
                wrong['write such names in full'].append(
                    f'{entry} may be {fits[0]} or {fits[1]}'
                )
            elif images[fits[0]].boxes is None:
                wrong['fix the annotations or take them off the lists'].append(
                    f'{entry} has no usable annotation'
                )
            elif fits[0] in split_of:
                first = given.files[split_of[fits[0]]]
                wrong['name each image once, in one list'].append(
                    f'{entry} {first} names already'
                )
            else:
                split_of[fits[0]] = split
    if wrong:
        fix, cases = next(iter(wrong.items()))
        raise InputError(f'{cases[0]} ({len(cases)} such in all); {fix}')
    for sample in samples:
        if sample.boxes is not None and sample.name not in split_of:
            report.add('unlisted_image', sample.name)
    return {
        split: [name for name in images if split_of.get(name) == split]
        for split in SPLITS
    }


def _parse(data: bytes, path: Path) -> list[str]:
    try:
        # Editors on Windows put a byte order mark before the first name.
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path} is not UTF-8 text ({error.reason} at byte '
            f'{error.start}); save it as UTF-8'
        ) from error
    # Not splitlines(): names may hold other line separators of Unicode.
    lines = (line.strip() for line in text.split('\n'))
    return [line for line in lines if line and not line.startswith('#')]
