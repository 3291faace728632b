"""Data set formats; one module reads one format.

To add a format, write a module with the members of :class:`AnnotationFormat`
and add it to :data:`FORMATS`: ``tools/prepare_dataset.py`` then has a command
for it. Clean-up of boxes, splits and reports are shared
by all formats, and two ways to pair annotations with images: by the stems of
files, or by the names that one file gives many images.

The readers are our own: libraries for these formats drop silently what the
report is for (boxes outside, images missing, labels unknown).
"""

from pathlib import Path
from typing import Protocol

from ..layout import Records, SourceFile, SourceTree
from ..report import Report
from . import coco, cvat, labelme, masks, voc, yolo


class AnnotationFormat(Protocol):
    """A format, with one annotation file per image or one for many."""

    TITLE: str  # what it converts, after "convert"
    LAYOUT: str  # what the folder looks like, for --help
    NAME: str  # the format's, for the `info` of the COCO json
    NOUN: str  # for an annotation file, in the kinds of findings
    MIN_AREA: int  # pixels that a mask must have by default

    def find(self, src: Path, dst: Path | None = None) -> SourceTree:
        """Finds images and annotation files, not what is below ``dst``.

        Raises:
            FileNotFoundError: There are none in a known layout.
        """
        ...

    def read(self, tree: SourceTree, report: Report) -> Records:
        """Reads the annotation files, and reports those that are broken.

        Raises:
            ValueError: None of them is of this format.
        """
        ...

    def pair(
        self, images: list[SourceFile], annotations: list[SourceFile]
    ) -> dict[SourceFile, SourceFile]:
        """Pairs images with the keys of what was read."""
        ...


FORMATS: dict[str, AnnotationFormat] = {
    'voc': voc,
    'coco': coco,
    'yolo': yolo,
    'labelme': labelme,
    'cvat': cvat,
    'masks': masks,
}
