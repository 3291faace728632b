"""Measuring the cells of a plan, one after the other.

Every cell is trained and tested by the ordinary tools, in processes of their
own. What is finished is not done again, and a run that was killed goes on
where it was.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.detector_runs import Command, detect, train_to_end
from ..evaluation.average_precision import bootstrap, summary
from ..evaluation.detection_matches import match_detections
from ..utils.errors import InputError, MissingFileError
from ..utils.run_logged import run_logged
from ..version import __version__
from .checks import check_labels, check_no_leak, check_same_training
from .experiment import Cell, Plan
from .records import alone, append_record, claim_work_dir, read_records
from .run_configs import CellConfigs, cell_configs, write_cell
from .shots import write_shots
from .stopwatch import Stopwatch

# Seconds between looks at what other processes are making.
WAIT = 10


def prepare_cells(
    plan: Plan, only: Sequence[str] = ()
) -> list[tuple[Cell, CellConfigs]]:
    """Draws the shots and checks every cell before one is trained.

    Args:
        plan (Plan): The plan.
        only (Sequence[str]): Names of arms; empty for all. Defaults to ().

    Returns:
        list: Cells and their configs.

    Raises:
        FileNotFoundError: Annotations are missing.
        ValueError: An arm is no fair comparison or leaks, or there is no
            such arm.
    """
    cells = plan.cells(only)
    if not plan.score_file.is_file():
        msg = (
            f'no annotations at {plan.score_file}, on which {plan.file} '
            'scores; make them with tools/prepare_dataset.py voc <folder> '
            f'{plan.data_root} --lists <folder of the lists>'
        )
        raise MissingFileError(msg)
    (reference,) = (a for a in plan.arms if a.name == plan.reference)
    prepared, against, shots = [], {}, {}
    for cell in cells:
        key = (cell.shots, cell.seed)
        if key not in against:
            shots[key] = write_shots(
                plan.data_root, plan.pool, plan.shots_file, *key
            )
            against[key] = cell_configs(plan, Cell(reference, *key)).detector
        configs = cell_configs(plan, cell)
        check_same_training(
            cell.arm.name,
            configs.detector,
            against[key],
            cell.arm.own_schedule,
            cell.arm.own_labels,
        )
        if not cell.arm.own_labels:
            check_labels(cell.arm.name, configs, shots[key])
        if cell.seed == cells[0].seed:
            # Other seeds draw from the same images.
            check_no_leak(cell.arm.name, configs, plan.score_file)
        prepared.append((cell, configs))
    return prepared


def valid_records(
    plan: Plan, prepared: Sequence[tuple[Cell, CellConfigs]]
) -> tuple[dict[str, dict], list[str]]:
    """The plan's finished cells, by name.

    Args:
        plan (Plan): The plan.
        prepared (Sequence): From :func:`prepare_cells`.

    Returns:
        tuple[dict[str, dict], list[str]]: The records, and a sentence about
        each line of the results that is none.

    Raises:
        ValueError: A cell was measured with other settings than now, or
            twice.
    """
    records, problems = read_records(plan.results)
    wanted = {cell.name: c.fingerprint for cell, c in prepared}
    found: dict[str, dict] = {}
    for record in records:
        name = record['cell']
        if name not in wanted:
            continue
        if record['fingerprint'] != wanted[name]:
            msg = (
                f'{name} in {plan.results} was measured with other settings '
                f'or images ({record["fingerprint"]}, now {wanted[name]}); '
                'take its line out to measure it again'
            )
            raise InputError(msg)
        if name in found:
            msg = f'{name} stands twice in {plan.results}; take one line out'
            raise InputError(msg)
        found[name] = record
    return found, problems


def run_plan(
    plan: Plan, only: Sequence[str] = (), command: Command = run_logged
) -> None:
    """Measures every cell that has no line in the results yet.

    Several processes may do so at once, such as one for each GPU: each takes
    the next cell of which no other makes a part, and all end when the last
    cell is measured.

    Args:
        plan (Plan): The plan.
        only (Sequence[str]): Names of arms; empty for all. Defaults to ().
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Raises:
        ValueError: The work folder is another plan's, or a cell is wrong.
        ChildProcessError: A tool failed.
    """
    prepared = prepare_cells(plan, only)
    claim_work_dir(plan)
    found, problems = valid_records(plan, prepared)
    print(*problems, sep='\n', end='\n' * bool(problems))
    left = [(cell, c) for cell, c in prepared if cell.name not in found]
    print(f'{len(found)} of {len(prepared)} cells are measured')
    took: list[float] = []
    while left:
        busy = []
        for number, (cell, configs) in enumerate(left):
            with alone(plan.work_dir / 'locks', _parts(configs)) as free:
                if not free:
                    busy.append((cell, configs))
                    continue
                if cell.name in valid_records(plan, prepared)[0]:
                    continue  # by another process, meanwhile
                rest = len(left) - number + len(busy)
                say = f'\n== {cell.name}, {rest} cells left'
                if took:
                    say += f', about {np.mean(took) * rest / 60:.0f} min'
                print(say, flush=True)
                began = time.monotonic()
                measured = measure(plan, cell, configs, command)
                _refuse_twins(plan, cell, measured)
                append_record(plan.results, measured)
                print(
                    f'{cell.name}: AP50 {measured["AP50"]}, '
                    f'AP {measured["AP"]}'
                )
                took.append(time.monotonic() - began)
        if len(busy) == len(left):
            names = ', '.join(cell.name for cell, _ in busy)
            print(f'waiting for other processes: {names}', flush=True)
            while not any(_is_free(plan, configs) for _, configs in busy):
                time.sleep(WAIT)
        left = busy


def _parts(configs: CellConfigs) -> list[str]:
    """Names of what a cell makes: its detector and its stages."""
    parts = [Path(configs.detector.work_dir).name]
    if 'stages' in configs.detector:
        parts.append(f'stages-{Path(configs.detector.stages.root).name}')
    return parts


def _is_free(plan: Plan, configs: CellConfigs) -> bool:
    with alone(plan.work_dir / 'locks', _parts(configs)) as free:
        return free


def measure(
    plan: Plan, cell: Cell, configs: CellConfigs, command: Command
) -> dict:
    """Trains, tests and scores one cell.

    Args:
        plan (Plan): The plan.
        cell (Cell): The cell.
        configs (CellConfigs): Its configs.
        command (Callable): Runs a tool.

    Returns:
        dict: Its record, JSON types.

    Raises:
        ValueError: The training did not end, or the detections are not of
            the plan's images.
    """
    file = write_cell(configs)
    folder = file.parent
    watch = Stopwatch(folder, configs.detector)

    def watched(*args: Any, **kwargs: Any) -> float:
        with watch:
            return command(*args, **kwargs)

    checkpoint = train_to_end(file, watched, watch.line)
    detections = folder / 'detections.bbox.json'
    detect(file, checkpoint, detections, command)
    matches = match_detections(plan.score_file, detections)
    scores = summary(matches)
    resampled = bootstrap(matches, plan.resamples)
    return dict(
        cell=cell.name,
        arm=cell.arm.name,
        shots=cell.shots,
        seed=cell.seed,
        fingerprint=configs.fingerprint,
        split=plan.score,
        images=len(matches.image_ids),
        version=__version__,
        date=time.strftime('%Y-%m-%d'),
        seconds={k: round(v) for k, v in watch.seconds().items()},
        AP=round(scores['AP'], 2),
        AP50=round(scores['AP50'], 2),
        AP75=round(scores['AP75'], 2),
        classes={
            name: {k: round(v, 2) for k, v in row.items()}
            for name, row in scores['classes'].items()
        },
        bootstrap={k: np.round(v, 2).tolist() for k, v in resampled.items()},
    )


def _refuse_twins(plan: Plan, cell: Cell, measured: dict) -> None:
    """Two arms with the same figures mean something that did not load."""
    if measured['AP50'] == 0:
        return  # nothing was found yet, by whatever weights
    records, _ = read_records(plan.results)
    for other in records:
        same = ('shots', 'seed', 'split', 'bootstrap')
        if other['cell'] != cell.name and all(
            other[key] == measured[key] for key in same
        ):
            msg = (
                f'{cell.name} has the figures of {other["cell"]} to the last '
                'digit: its weights or its bank were not used'
            )
            raise InputError(msg)
