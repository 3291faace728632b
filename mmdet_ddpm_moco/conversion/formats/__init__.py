"""Data set formats; one module reads one format.

To add a format, write a module with the members of :class:`AnnotationFormat`,
add it to :data:`FORMATS`, and give it a command in
``tools/prepare_dataset.py``. Folder layouts, pairing with images, clean-up of
boxes, splits and reports are shared by all formats.
"""

from typing import Protocol

from ..boxes import AnnotationFile
from . import voc


class AnnotationFormat(Protocol):
    """A format with one annotation file per image, of the same stem."""

    NAME: str  # the format's, for the `info` of the COCO json
    SUFFIX: str  # of annotation files, in lower case, with the dot
    FOLDERS: frozenset[str]  # that annotation files are in, in lower case

    def parse(self, data: bytes) -> AnnotationFile:
        """Parses an annotation file.

        Raises:
            ValueError: It is no annotation of this format.
        """
        ...


FORMATS: dict[str, AnnotationFormat] = {'voc': voc}
