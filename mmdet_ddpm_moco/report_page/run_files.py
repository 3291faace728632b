"""Where a run left what: the folders of its stages, found or named."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..bank.format import MANIFEST, SETTINGS
from ..bank.scenes import MANIFEST as SCENES
from ..engine.inputs import (
    fill_hooks,
    inputs_of,
    scenes_of,
    stages_root,
)
from ..engine.pipelines import type_name
from ..engine.run_record import read_run_record
from ..engine.submission import RECORD
from .logs import run_folders

_OWN = ('ddpm', 'moco', 'bank', 'scenes', 'teachers', 'admission')


@dataclass(frozen=True)
class RunFiles:
    """Folders of a run; each is None where there is none."""

    folder: Path  # as it was given
    config: Config | None = None
    detector: Path | None = None  # work folders
    generator: Path | None = None
    backbone: Path | None = None
    bank: Path | None = None
    scenes: Path | None = None
    submissions: tuple[Path, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    admission: Path | None = None


def find_run(folder: str | Path) -> RunFiles:
    """Finds the stages of a run.

    Args:
        folder (str | Path): Work folder of a detector, the root of its
            stages, or the folder of one stage. A config in it is executed,
            as by every tool.

    Returns:
        RunFiles: What is there; paths in a config are relative to the
        current folder.
    """
    folder = Path(folder)
    work_dir = folder
    record = read_run_record(folder)
    if not (record or run_folders(folder)):
        # A root of stages may have the detector's folder below it.
        below = [
            path
            for path in folder.glob('*')
            if path.name not in _OWN and run_folders(path)
        ]
        if below:
            work_dir = max(below, key=lambda p: run_folders(p)[-1].name)
            record = read_run_record(work_dir)
    config = _read_config(work_dir, record)
    kind = '' if config is None else type_name(config.get('model') or {})
    own = dict(DefectDDPM='generator', DatasetMoCo='backbone').get(kind)
    roots, banks, scenes, weights = [folder], [folder], [folder], []
    if config is not None and own is None:
        fill_hooks(config)
        roots.insert(0, stages_root(config))
        read_banks, read_weights = inputs_of(config)
        banks = [*map(Path, sorted(read_banks)), *banks]
        weights = [Path(file).parent for file in sorted(read_weights)]
        scenes = [*map(Path, sorted(scenes_of(config))), *scenes]
    for stage in record.get('stages', ()):
        roots.append(Path(stage['output']).parent)

    def below_roots(name: str) -> list[Path]:
        return [root / name for root in roots]

    def itself(stage: str) -> Path | None:
        return work_dir if own == stage else None

    ran = bool(run_folders(work_dir))
    return RunFiles(
        folder=folder,
        config=config if own is None else None,
        detector=work_dir if own is None and (ran or record) else None,
        generator=_first(below_roots('ddpm'), '*') or itself('generator'),
        backbone=_first([*weights, *below_roots('moco')], '*')
        or itself('backbone'),
        bank=_first([*banks, *below_roots('bank')], MANIFEST, SETTINGS),
        scenes=_first([*scenes, *below_roots('scenes')], SCENES, 'teachers'),
        submissions=tuple(
            path.parent
            for where in dict.fromkeys((folder, work_dir))
            for path in (*where.glob(RECORD), *where.glob(f'*/{RECORD}'))
        ),
        record=record,
        admission=_first(below_roots('admission'), 'report.md'),
    )


def _first(folders: Iterable[Path], *names: str) -> Path | None:
    """The first folder that has one of the files."""
    for folder in folders:
        if folder.is_dir() and any(
            next(folder.glob(name), None) for name in names
        ):
            return folder
    return None


def _read_config(work_dir: Path, record: dict[str, Any]) -> Config | None:
    """The config of the newest start, else the one that was asked for."""
    files = [
        folder / 'vis_data' / 'config.py'
        for folder in reversed(run_folders(work_dir))
    ]
    if record.get('config'):
        files.append(Path(record['config']))
    for file in files:
        try:
            config = Config.fromfile(file)
        except Exception:  # it may be missing, or run anything
            continue
        if config.get('work_dir') is None:
            config.work_dir = str(work_dir)
        return config
    return None
