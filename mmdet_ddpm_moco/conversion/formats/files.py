"""Reads annotation files one by one."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path

from ...utils.errors import FileAccessError, InputError
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


def read_text(path: Path) -> str:
    """The text of a list or table that belongs to a data set.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not UTF-8 text.
    """
    try:
        return path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise FileAccessError(
            f'cannot read {path}: {error.strerror}'
        ) from error
    except UnicodeDecodeError as error:
        msg = f'{path} is not UTF-8 text; save it as UTF-8'
        raise InputError(msg) from error


def parse_xml(data: bytes) -> ElementTree.Element:
    """The outermost element of an XML file.

    Raises:
        ValueError: If it is empty or no XML.
    """
    if not data.strip():
        msg = 'the file is empty'
        raise InputError(msg)
    try:
        return ElementTree.fromstring(_decoded(data))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f'not well-formed: {error}') from error


def _decoded(data: bytes) -> bytes | str:
    """Text, where expat lacks the declared encoding (GBK, say)."""
    declared = re.match(rb'<\?xml[^>]*encoding=["\']([\w.-]+)', data)
    return data.decode(declared[1].decode()) if declared else data
