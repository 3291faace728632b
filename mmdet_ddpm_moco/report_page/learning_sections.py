"""Backbone and teachers: what was learned without labels, and from few."""

import re
from pathlib import Path

from .blocks import Block, Note, Table
from .charts import make_chart
from .logs import curve, log_lines, read_scalars
from .pictures import embed_file
from .run_files import RunFiles

# Lines of ContrastiveInitHook and of MMEngine about weights that were read.
_LOADED = re.compile(
    r' - (?:INFO|WARNING) - '
    r'(.*(?:coverage |all equal|[Ll]oad (?:checkpoint|model) from|'
    r'do not match exactly).*)'
)
_LONGEST = 300  # characters of such a line


def backbone_part(run: RunFiles) -> list[Block]:
    """Curves of contrastive pretraining."""
    folder = run.backbone
    if folder is None:
        return [Note('No contrastive pretraining of the backbone.')]
    blocks: list[Block] = []
    if not (folder / 'backbone.pth').is_file():
        blocks.append(Note(f'{folder} has no finished backbone.pth.'))
    rows = read_scalars(folder)
    accuracy = curve(rows, 'contrast/knn_accuracy')
    knn = {'k-NN accuracy': accuracy}
    losses = {
        'loss': curve(rows, 'loss'),
        'by chance': curve(rows, 'contrast/chance_loss'),
    }
    for title, series in (
        ('k-NN accuracy on labeled windows', knn),
        ('Contrastive loss', losses),
    ):
        chart = make_chart(title, 'iterations', series)
        if chart:
            blocks.append(chart)
    if not accuracy:
        text = 'k-NN accuracy was not logged (ContrastiveProgressHook).'
        blocks.append(Note(text))
    return blocks


def loaded_part(run: RunFiles) -> list[Block]:
    """What the detector started from, as its log says."""
    if run.detector is None:
        return []
    found = [
        match[1][:_LONGEST]
        for match in map(_LOADED.search, log_lines(run.detector))
        if match
    ]
    if not found:
        return [Note("The detector's log names no weights it started from.")]
    rows = [[line] for line in dict.fromkeys(found)]
    return [Table('Weights the detector started from', ['log'], rows)]


def teachers_part(run: RunFiles) -> list[Block]:
    """The teachers' own report, and what they labeled."""
    folder = run.scenes
    if folder is None:
        return [Note('No teachers.')]
    blocks: list[Block] = []
    report = folder / 'report.md'
    if report.is_file():
        blocks += read_markdown(report, 'Labels by class')
    else:
        begun = len(list(folder.glob('teachers/*')))
        ended = len(list(folder.glob('teachers/*/unlabeled.npz')))
        blocks.append(
            Note(
                f'{folder} is unfinished: {begun} teachers were begun, '
                f'{ended} have labeled the other images.'
            )
        )
    samples = folder / 'samples.png'
    if samples.is_file():
        caption = 'What teachers found, from green, surely right, to orange'
        blocks.append(embed_file(samples, caption))
    return blocks


def admission_part(run: RunFiles) -> list[Block]:
    """Which parts help on the labels, and which were left out."""
    if run.admission is None:
        return []
    file = run.admission / 'report.md'
    return read_markdown(file, 'Do the parts help?')


def read_markdown(file: Path, title: str) -> list[Block]:
    """Sentences and tables of a simple Markdown file, without headings.

    Tables get the title. Their first column, names of classes, say, stays as
    it is; others become numbers where they can.
    """
    blocks: list[Block] = []
    rows: list[list[str]] = []
    for line in [*file.read_text(errors='replace').splitlines(), '']:
        text = line.strip()
        if text.startswith('|'):
            cells = [cell.strip() for cell in text.strip('|').split('|')]
            if not all(re.fullmatch(r':?-+:?', cell) for cell in cells):
                rows.append(cells)
            continue
        if rows:
            head, *body = rows
            numbers = [[name, *map(_value, row)] for name, *row in body]
            blocks.append(Table(title, head, numbers, digits=2))
            rows = []
        if text and not text.startswith('#'):
            blocks.append(Note(text))
    return blocks


def _value(cell: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
