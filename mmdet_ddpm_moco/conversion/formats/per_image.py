"""Reads formats that have one annotation file per image."""

from collections.abc import Callable, Sequence

from ..boxes import AnnotationFile
from ..layout import Records, SourceFile
from ..report import Report


def read_files(
    files: Sequence[SourceFile],
    parse: Callable[[bytes, str | None], AnnotationFile],
    noun: str,
    report: Report,
) -> Records:
    """Parses annotation files.

    Those that cannot be parsed are None, and reported as ``broken_<noun>``.
    """
    records: Records = {}
    for file in files:
        try:
            records[file] = parse(file.path.read_bytes(), file.kind)
        except (OSError, ValueError) as error:
            records[file] = None
            report.add(f'broken_{noun}', file.label, error_reason(error))
    return records


def error_reason(error: OSError | ValueError) -> str:
    """The text of an error, without the path that an OSError's ends with."""
    return getattr(error, 'strerror', None) or str(error)
