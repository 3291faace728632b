"""Trains, tests and scores the runs of an experiment.

Every run is trained and tested by the ordinary tools in a process of its own.
Finished runs are not repeated, and a run that was killed is resumed.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
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
from .experiment import Experiment, Run
from .records import append_record, claim_work_dir, read_records, try_locks
from .run_configs import RunConfigs, run_configs, write_run
from .shots import write_shots
from .stopwatch import Stopwatch

# Seconds between checks of the locks of other processes.
WAIT = 10

# How files of detections end, and those of test-time augmentation before it.
DETECTIONS = '.bbox.json'
TTA = '_tta'


def prepare_runs(
    experiment: Experiment, only: Sequence[str] = ()
) -> list[tuple[Run, RunConfigs]]:
    """Draws the shots and checks all runs before any is trained.

    ``only`` are names of variants; without any all are taken.

    Raises:
        FileNotFoundError: Annotations are missing.
        ValueError: A variant is no fair comparison or leaks, or does not
            exist.
    """
    runs = experiment.runs(only)
    if not experiment.test_set.is_file():
        msg = (
            f'no annotations at {experiment.test_set}, the test set of '
            f'{experiment.file}; make them with tools/prepare_dataset.py voc '
            f'<folder> {experiment.data_root} --lists <folder of the lists>'
        )
        raise MissingFileError(msg)
    (reference,) = (
        v for v in experiment.variants if v.name == experiment.reference
    )
    prepared, drawn = [], {}
    checked = set()
    for run in runs:
        key = (run.shots, run.seed)
        if key not in drawn:
            shots = write_shots(experiment, *key)
            against = run_configs(experiment, Run(reference, *key)).detector
            drawn[key] = shots, against
        shots, against = drawn[key]
        configs = run_configs(experiment, run)
        check_same_training(run.variant, configs.detector, against)
        if not run.variant.own_labels:
            check_labels(run.variant.name, configs, shots)
        if (run.variant.name, run.shots) not in checked:
            # Other seeds draw from the same images.
            checked.add((run.variant.name, run.shots))
            check_no_leak(run.variant.name, configs, experiment.test_set)
        prepared.append((run, configs))
    return prepared


def valid_records(
    experiment: Experiment, prepared: Sequence[tuple[Run, RunConfigs]]
) -> tuple[dict[str, dict], list[str]]:
    """The experiment's finished runs, by name.

    Returns:
        tuple[dict[str, dict], list[str]]: The records, and a message for each
        invalid line of the results.

    Raises:
        ValueError: A run was measured with other settings, or twice.
    """
    records, problems = read_records(experiment.results)
    wanted = {run.name: c.fingerprint for run, c in prepared}
    found: dict[str, dict] = {}
    for record in records:
        name = record['run']
        if name not in wanted:
            continue
        if record['fingerprint'] != wanted[name]:
            msg = (
                f'{name} in {experiment.results} was measured with other '
                f'settings or images ({record["fingerprint"]}, now '
                f'{wanted[name]}); remove its line to measure it again'
            )
            raise InputError(msg)
        if name in found:
            msg = f'{experiment.results} has two lines of {name}; remove one'
            raise InputError(msg)
        found[name] = record
    return found, problems


def run_experiment(
    experiment: Experiment,
    only: Sequence[str] = (),
    command: Command = run_logged,
) -> None:
    """Measures every run that has no record yet.

    Several processes may share an experiment, such as one for each GPU: each
    takes the next run that shares no stage with a run in progress, and all
    end when the last run is measured. ``only`` are names of variants, and
    ``command`` runs a tool.

    Raises:
        ValueError: The work folder belongs to another experiment, or a run
            fails a check.
        ChildProcessError: A tool failed.
    """
    prepared = prepare_runs(experiment, only)
    claim_work_dir(experiment)
    found, problems = valid_records(experiment, prepared)
    print(*problems, sep='\n', end='\n' * bool(problems))
    left = [(run, c) for run, c in prepared if run.name not in found]
    print(f'{len(found)} of {len(prepared)} runs are measured')
    took: list[float] = []
    while left:
        busy = []
        for number, (run, configs) in enumerate(left):
            with _locks(experiment, configs) as free:
                if not free:
                    busy.append((run, configs))
                    continue
                if run.name in valid_records(experiment, prepared)[0]:
                    continue  # by another process, meanwhile
                rest = len(left) - number + len(busy)
                line = f'\n== {run.name}, {rest} runs left'
                if took:
                    line += f', about {np.mean(took) * rest / 60:.0f} min'
                print(line, flush=True)
                start = time.monotonic()
                measured = measure_run(experiment, run, configs, command)
                _check_duplicates(experiment, run, measured)
                append_record(experiment.results, measured)
                print('{run}: AP50 {AP50}, AP {AP}'.format(**measured))
                took.append(time.monotonic() - start)
        if len(busy) == len(left):
            names = ', '.join(run.name for run, _ in busy)
            print(f'waiting for other processes: {names}', flush=True)
            while not any(_is_free(experiment, c) for _, c in busy):
                time.sleep(WAIT)
        left = busy


def _locks(
    experiment: Experiment, configs: RunConfigs
) -> AbstractContextManager[bool]:
    """Tries to lock the folders of a run and of its stages."""
    names = [Path(configs.detector.work_dir).name]
    if 'stages' in configs.detector:
        names.append(f'stages-{Path(configs.detector.stages.root).name}')
    return try_locks(experiment.work_dir / 'locks', names)


def _is_free(experiment: Experiment, configs: RunConfigs) -> bool:
    with _locks(experiment, configs) as free:
        return free


def detections_of(run: Run, configs: RunConfigs) -> list[Path]:
    """Detections of a run, a COCO json for each scored checkpoint.

    They are there until its work folder is deleted. A variant that is tested
    with test-time augmentation shares the folder with the one that is trained.
    """
    tta = bool(run.variant.tta_of)
    return sorted(
        file
        for file in Path(configs.detector.work_dir).glob(f'*{DETECTIONS}')
        if file.name.endswith(TTA + DETECTIONS) is tta
    )


def measure_run(
    experiment: Experiment, run: Run, configs: RunConfigs, command: Command
) -> dict:
    """Trains, tests and scores one run.

    Scores are means over the last ``experiment.checkpoints`` checkpoints.

    Returns:
        dict: Its record, of JSON types.

    Raises:
        ValueError: The training did not end, or the detections are of other
            images than the test set's.
    """
    file = write_run(configs)
    folder = file.parent
    watch = Stopwatch(folder, configs.detector)

    def watched(words: Sequence[str], *args: Any, **kwargs: Any) -> float:
        if '--resume' not in words:
            watch.reset()
        with watch:
            return command(words, *args, **kwargs)

    last = train_to_end(file, watched, watch.line)
    scored = []
    for checkpoint in _last_checkpoints(last, experiment.checkpoints):
        name = 'detections' if checkpoint == last else checkpoint.stem
        tta = bool(run.variant.tta_of)
        detections = folder / f'{name}{TTA * tta}{DETECTIONS}'
        detect(file, checkpoint, detections, command, tta=tta)
        matches = match_detections(experiment.test_set, detections)
        scored.append(
            dict(
                summary(matches),
                bootstrap=bootstrap(matches, experiment.resamples),
            )
        )
    record = dict(
        run=run.name,
        variant=run.variant.name,
        shots=run.shots,
        seed=run.seed,
        fingerprint=configs.fingerprint,
        split=experiment.test_ann_file,
        images=len(matches.image_ids),
        version=__version__,
        date=time.strftime('%Y-%m-%d'),
        seconds={k: round(v) for k, v in watch.seconds().items()},
        **mean_scores(scored),
    )
    if len(scored) > 1:
        record['checkpoints'] = [
            {k: round(s[k], 2) for k in ('AP50', 'AP')} for s in scored
        ]
    return record


def _last_checkpoints(last: Path, number: int) -> list[Path]:
    """The checkpoints before the last one and that itself, in order.

    Raises:
        ValueError: Fewer are kept.
    """
    if number == 1:
        return [last]
    kind = last.stem.partition('_')[0]  # iter or epoch
    found = sorted(
        last.parent.glob(f'{kind}_*.pth'),
        key=lambda file: int(file.stem.partition('_')[2]),
    )
    if len(found) < number:
        msg = (
            f'{number} checkpoints are to be scored and {last.parent} has '
            f'{len(found)}; set default_hooks.checkpoint.max_keep_ckpts and '
            'interval in the config of the variant'
        )
        raise InputError(msg)
    return found[-number:]


def mean_scores(values: Sequence[Any]) -> Any:
    """Means of dicts of numbers, leaf by leaf, to two digits."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean_scores([v[key] for v in values]) for key in first}
    mean = np.round(np.mean(values, axis=0), 2)
    return mean.tolist()


def _check_duplicates(
    experiment: Experiment, run: Run, measured: dict
) -> None:
    """Refuses equal scores of two variants: weights or bank were not used."""
    if measured['AP50'] == 0:
        return  # untrained detectors may be alike
    same = ('shots', 'seed', 'split', 'bootstrap')
    for other in read_records(experiment.results)[0]:
        if other['run'] != run.name and all(
            other[key] == measured[key] for key in same
        ):
            msg = (
                f'{run.name} has the figures of {other["run"]} to the last '
                'digit: its weights or its bank were not used'
            )
            raise InputError(msg)
