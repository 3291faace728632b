"""Generator and defect bank: what was painted, and what was rejected."""

from pathlib import Path
from typing import Any

from ..bank.format import ADD, MANIFEST, NULL, RECORDS, REPLACES
from ..utils.fileio import read_json
from .blocks import Block, Facts, Note, Table
from .charts import make_chart
from .data_section import boxes_by_class
from .logs import curve, read_scalars, run_folders
from .pictures import embed_file
from .run_files import RunFiles


def generator_part(run: RunFiles) -> list[Block]:
    """Loss of the generator and its newest samples."""
    folder = run.generator
    if folder is None:
        return [Note('No generator.')]
    blocks: list[Block] = []
    if not (folder / 'generator').is_dir():
        blocks.append(Note(f'{folder} has no finished generator.'))
    loss = dict(loss=curve(read_scalars(folder), 'loss'))
    chart = make_chart('Loss of the generator', 'iterations', loss)
    if chart:
        blocks.append(chart)
    grids = [
        grid
        for start in run_folders(folder)
        for grid in sorted(
            start.glob('vis_data/vis_image/windows_*.png'),
            key=lambda path: path.stat().st_mtime,
        )
    ]
    if grids:
        number = grids[-1].stem.rsplit('_', 1)[-1]
        caption = f'Real, masked and synthesized after {number} iterations'
        blocks.append(embed_file(grids[-1], caption))
    else:
        blocks.append(Note('No grid of samples (SampleGridHook).'))
    return blocks


def bank_part(run: RunFiles) -> list[Block]:
    """What is in the bank, and which gates rejected how much."""
    folder = run.bank
    if folder is None:
        return [Note('No defect bank.')]
    manifest = read_json(folder / MANIFEST)
    if manifest is None:
        blocks = len(list((folder / RECORDS).glob('*.json')))
        return [Note(f'{folder} is unfinished: {blocks} blocks are written.')]
    rejected = manifest['rejected']
    tried = manifest['kept'] + sum(rejected.values())
    sampler = manifest.get('sampler') or {}
    facts: list[tuple[str, Any]] = [
        ('folder', str(folder)),
        ('windows asked for', manifest['asked']),
        ('windows kept', manifest['kept']),
        ('windows tried', tried),
        ('seed', manifest.get('seed')),
        *(
            (f'sampler: {key.replace("_", " ")}', value)
            for key, value in sampler.items()
        ),
    ]
    rows = [
        [gate, count, 100 * count / max(tried, 1)]
        for gate, count in rejected.items()
    ]
    gates: Block = Note('No window was rejected.')
    if rows:
        head = ['rejected by', 'windows', 'percent of those tried']
        gates = Table('Gates', head, rows)
    return [Facts(facts), gates, _by_class(run, manifest), *_grid(folder)]


def _by_class(run: RunFiles, manifest: dict[str, Any]) -> Table:
    real = boxes_by_class(run) or {}
    rows = [
        [name, real.get(name), *(kinds.get(k, 0) for k in (ADD, REPLACES))]
        + [kinds.get(NULL, 0)]
        for name, kinds in manifest['kinds'].items()
    ]
    head = ['class', 'real boxes', 'added', 'replace a real one', 'background']
    return Table('Windows of the bank beside real boxes', head, rows)


def _grid(folder: Path) -> list[Block]:
    file = folder / 'sample_grid.png'
    if not file.is_file():
        return [Note(f'No {file.name} in {folder}.')]
    caption = 'Real defects on the left, windows of the bank on the right'
    return [embed_file(file, caption)]
