"""What the names of folders and files say: splits and defect-free images."""

import re
from pathlib import PurePosixPath

SPLIT_FOLDERS = frozenset(('train', 'validation', 'valid', 'val', 'test'))

# Folders of defect-free images, in lower case and without separators.
_DEFECT_FREE = frozenset(
    (
        'free', 'defectfree', 'nodefect', 'good', 'ok', 'normal', 'clean',
        '无瑕疵样本', '无瑕疵图片', '无瑕疵', '无缺陷', '正常样本', '正常',
        '良品',
    )
)  # fmt: skip

# In the name of a folder of images, or of a list, without annotations.
UNLABELED = re.compile('unlabell?ed', re.IGNORECASE)

_SPLIT_OF = dict(
    train='train',
    training='train',
    val='val',
    valid='val',
    validation='val',
    test='test',
    testing='test',
)
# Words that folders of splits may have besides.
_CONTENTS = frozenset(('image', 'images', 'label', 'labels', 'annotations'))


def split_of(folder: str) -> str:
    """Split that the name of a folder stands for, '' for none.

    ``Valid``, ``val2017`` and ``val_images`` are ``'val'``; ``tensile test``
    may be a kind of sample and is none.
    """
    words = set(re.findall('[^\\W\\d_]+', folder.lower())) - _CONTENTS
    return _SPLIT_OF.get(words.pop(), '') if len(words) == 1 else ''


def split_of_file(stem: str) -> str:
    """Split that a word in the name of a file stands for, '' for none.

    ``instances_val2017`` is ``'val'``. Words of several splits are none.
    """
    words = re.findall('[^\\W\\d_]+', stem.lower())
    found = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}
    return found.pop() if len(found) == 1 else ''


def split_in(label: str) -> str:
    """Split that one of the folders of a path stands for, '' for none.

    The outermost one counts: ``train/test/1.jpg`` is in ``'train'``.
    """
    folders = PurePosixPath(label).parts[:-1]
    return next(filter(None, map(split_of, folders)), '')


def is_defect_free(folder: str) -> bool:
    """Whether a folder is named like one of images without defects."""
    return re.sub('[-_. ]', '', folder.lower()) in _DEFECT_FREE
