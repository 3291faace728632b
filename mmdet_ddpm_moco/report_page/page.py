"""Puts the sections together, and writes the page."""

import base64
import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import jinja2

from ..utils.checks import prepare_output
from ..utils.errors import MissingFileError
from ..utils.fileio import atomic_write_bytes
from ..version import __version__
from . import (
    course_section,
    data_section,
    detector_section,
    learning_sections,
    synthesis_section,
)
from .blocks import Block, Cell, Note, Section
from .charts import HEIGHT, LEFT, TOP, WIDTH
from .run_files import RunFiles, find_run

NAME = 'report.html'
_TEMPLATES = Path(__file__).with_name('templates')

Part = Callable[[RunFiles], list[Block]]
_SECTIONS: tuple[tuple[str, str, tuple[Part, ...]], ...] = (
    (
        'Data',
        'data',
        (
            data_section.lists_part,
            data_section.conversion_part,
            data_section.duplicates_part,
        ),
    ),
    (
        'Generator and defect bank',
        'generator',
        (synthesis_section.generator_part, synthesis_section.bank_part),
    ),
    (
        'Backbone',
        'backbone',
        (learning_sections.backbone_part, learning_sections.loaded_part),
    ),
    ('Teachers', 'teachers', (learning_sections.teachers_part,)),
    (
        'Detector',
        'detector',
        (
            learning_sections.admission_part,
            detector_section.curves_part,
            detector_section.tests_part,
        ),
    ),
    ('Time', 'time', (course_section.time_part,)),
    ('Commands', 'commands', (course_section.commands_part,)),
)


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the page of a run, of whatever is there.

    It is one file of less than 8 MB that loads nothing.

    Args:
        folder (str | Path): See :func:`.run_files.find_run`.
        out (str | Path, optional): Defaults to None, ``report.html`` in the
            folder.

    Returns:
        Path: The file.

    Raises:
        FileNotFoundError: There is no such folder, or nothing of a run in
            it.
        ValueError: ``out`` is a folder, or its folder cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        msg = f'no folder {folder}; give the work folder of a run'
        raise MissingFileError(msg)
    run = find_run(folder)
    parts = (run.detector, run.generator, run.backbone, run.bank, run.scenes)
    if not any((*parts, run.record, run.submissions)):
        msg = (
            f'{folder} holds nothing of a run; give the work folder of a '
            'detector or the root of its stages'
        )
        raise MissingFileError(msg)
    file = Path(out) if out is not None else folder / NAME
    prepare_output(file, NAME)
    sections = [
        Section(
            title, anchor, [block for part in own for block in _try(part, run)]
        )
        for title, anchor, own in _SECTIONS
    ]
    title = folder.resolve().name
    atomic_write_bytes(file, render(title, sections).encode())
    return file


def _try(part: Part, run: RunFiles) -> list[Block]:
    """A part of a section; a damaged file costs no more than this part."""
    try:
        return part(run)
    except Exception as error:
        name = part.__name__.removesuffix('_part')
        what = f'{type(error).__name__}: {error}'
        return [Note(f'Not shown, {name} cannot be read: {what}')]


def render(title: str, sections: list[Section]) -> str:
    """The page as HTML; all of its texts are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['cell'] = _cell
    style, script = (
        (_TEMPLATES / name).read_text() for name in ('page.css', 'page.js')
    )
    return environment.get_template('page.html.jinja').render(
        title=title,
        sections=sections,
        version=__version__,
        plot=dict(left=LEFT, top=TOP, right=LEFT + WIDTH, bottom=TOP + HEIGHT),
        style=style,
        script=script,
        # Nothing else may run or load, even if an escape were missing.
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
    )


def _content_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _cell(value: Cell, digits: int = 1) -> str:
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.{digits}f}' if math.isfinite(value) else str(value)
    return str(value)
