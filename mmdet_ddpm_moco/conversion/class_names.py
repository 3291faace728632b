"""Names of classes: aliases, other languages, bogus labels."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..utils.errors import FileAccessError, InputError
from .layout import Records
from .report import Report


def read_renames(entries: Sequence[str]) -> dict[str, str]:
    """Reads new names of classes, from ``old=new`` or files of such lines.

    In files, blank lines and lines that start with ``#`` are skipped. An
    empty new name says that the old one is no class.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an entry is neither, or a name is renamed twice.
    """
    lines: list[tuple[str, str]] = []  # and where it is from
    for entry in entries:
        if '=' in entry:
            lines.append((entry, 'rename'))
            continue
        try:
            text = Path(entry).read_text(encoding='utf-8-sig')
        except OSError as error:
            raise FileAccessError(
                f'cannot read {entry}: {error.strerror}; rename takes '
                'old=new, or a file of such lines'
            ) from error
        except UnicodeDecodeError as error:
            msg = f'{entry} is not UTF-8 text; save it as UTF-8'
            raise InputError(msg) from error
        lines.extend(
            (line, entry)
            for line in map(str.strip, text.split('\n'))
            if line and not line.startswith('#')
        )
    table: dict[str, str] = {}
    for line, origin in lines:
        old, equals, new = map(tidy, line.rpartition('='))
        if not equals or not old:
            raise InputError(f'{origin}: {line!r} must be old=new')
        if table.setdefault(old, new) != new:
            raise InputError(
                f'{old!r} is renamed to {table[old]!r} and to {new!r}; name '
                'it once'
            )
    return table


def tidy(name: str) -> str:
    """A name in Unicode form NFC, without blanks around it."""
    return unicodedata.normalize('NFC', name).strip()


def rename_classes(
    records: Records, table: Mapping[str, str], report: Report
) -> tuple[Records, list[str]]:
    """Gives the objects the names of their classes.

    Objects whose class is renamed to '' keep their name, which is then none
    of the classes. Old names that no object has, and classes that differ in
    case or separators only, are added to the report.

    Returns:
        tuple[Records, list[str]]: The records, and the classes by name.
    """
    table = {tidy(old): tidy(new) for old, new in table.items()}
    seen: set[str] = set()
    renamed: Records = {}
    for key, file in records.items():
        if file is not None:
            names = [tidy(item.name) for item in file.objects]
            seen.update(names)
            objects = tuple(
                replace(item, name=table.get(name) or name)
                for item, name in zip(file.objects, names)
            )
            file = replace(file, objects=objects)
        renamed[key] = file
    for old in table:
        if old not in seen:
            report.add('rename_not_found', old)
    classes = {table.get(name, name) for name in seen} - {''}
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(classes):
        letters = [c for c in name.casefold() if c not in '-_. ']
        alike[''.join(letters)].append(name)
    for first, *others in alike.values():
        for other in others:
            report.add('similar_classes', other, f'and {first}')
    return renamed, sorted(classes)
