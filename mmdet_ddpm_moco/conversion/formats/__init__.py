"""Data set formats; one module reads one format.

To add a format, write a module with the members of :class:`AnnotationFormat`,
add it to :data:`FORMATS`, and give it a command in
``tools/prepare_dataset.py``. Pairing with images, clean-up of boxes, splits
and reports are shared by all formats.
"""

from pathlib import Path
from typing import Protocol

from ..boxes import AnnotationFile
from ..layout import SourceTree
from . import masks, voc


class AnnotationFormat(Protocol):
    """A format with one annotation file per image, of the same stem."""

    NAME: str  # the format's, for the `info` of the COCO json
    NOUN: str  # for an annotation file, in the kinds of findings
    MIN_AREA: int  # pixels that a mask must have by default

    def find(self, src: Path, dst: Path | None = None) -> SourceTree:
        """Finds images and annotation files, not what is below ``dst``.

        Raises:
            FileNotFoundError: There are none in a known layout.
        """
        ...

    def parse(self, data: bytes, kind: str | None = None) -> AnnotationFile:
        """Parses an annotation file.

        ``kind`` is the class that the layout gives the file, if it does.

        Raises:
            ValueError: It is no annotation of this format.
        """
        ...


FORMATS: dict[str, AnnotationFormat] = {'voc': voc, 'masks': masks}
