"""The measured recipe end to end, and runs of an experiment on one card.

Hours on a GPU. It goes on where it was stopped: each tool resumes its work.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.data import STAND_IN, convert, read_note
from benchmarks.gpu.parts import average_precision
from benchmarks.gpu.results import Results, Row

PART = 'full'
RECIPE = 'faster-rcnn_lite0_fpn_scenes-kinds_1xb4-2880i_neu-det'
EXPERIMENT = 'from_scratch.py'
# Processes that share the experiment, and the card.
TOGETHER = 4


def run_full(results: Results, device: str, root: Path, work: Path) -> bool:
    """Trains and tests the detector with all that it reads, then ablates.

    On a CPU, or with drawn images, it is the demo.

    Args:
        results (Results): Where rows go.
        device (str): ``'cuda'`` or ``'cpu'``.
        root (Path): The source tree.
        work (Path): Current folder of this process.

    Returns:
        bool: Whether all of it ran.
    """
    logs = results.folder / 'logs'
    if device == 'cpu' or read_note(work)['what'] == STAND_IN:
        took, text = run([root / 'tools/demo.py'], logs / 'demo.log')
        table = [x for x in text.splitlines() if x.startswith('scenes-kinds')]
        shown = table[-1] if table else 'no table'
        what = 'demo: AP, AP50, both with flips'
        results.add(Row(PART, what, shown, how=f'{took:.0f} s'))
        return bool(table)
    # Its figures on CPUs are known, and its weights are in a package.
    config = root / 'configs' / 'ddpm_moco' / f'{RECIPE}.py'
    runs = work / 'work_dirs' / config.stem
    command = [root / 'tools/train.py', config, '--work-dir', runs]
    if (runs / 'last_checkpoint').exists():
        command.append('--resume')
    took, _ = run(command, logs / 'full_train.log')
    results.add(Row(PART, 'recipe: teachers to detector', took, 's'))
    last = (runs / 'last_checkpoint').read_text().strip()
    test = [root / 'tools/test.py', config, last]
    for how, options in (('', []), (', with flips', ['--tta'])):
        _, text = run(
            [*test, *options], logs / f'full_test{"".join(options)}.log'
        )
        for name, value in average_precision(text).items():
            what = f'recipe: {name} of the test split{how}'
            results.add(Row(PART, what, value, '%'))
    ablate(results, root, work, logs)
    return True


def ablate(results: Results, root: Path, work: Path, logs: Path) -> None:
    """Runs an experiment in several processes on one card.

    Its lines are in ``work/benchmarks/neu_det/results``, as they are
    committed.
    """
    lists = root / 'benchmarks' / 'neu_det'
    data = work / 'data' / 'NEU-DET-benchmark'
    if not data.exists():
        source = Path(read_note(work)['source'])
        options = ('--lists', str(lists), '--few-shot', '20')
        convert(root, source, data, options)
    folder = work / 'benchmarks' / 'neu_det'
    if not folder.exists():
        # Its variants name the configs by paths from here.
        shutil.copytree(root / 'configs', work / 'configs')
        shutil.copytree(lists, folder)
    begun = time.time()
    command = [sys.executable, root / 'tools/ablation.py', folder / EXPERIMENT]
    started = []
    for number in range(TOGETHER):
        log = (logs / f'ablation_{number}.log').open('w')
        started.append(subprocess.Popen(command, stdout=log, stderr=log))
        time.sleep(5)  # the first makes what all of them read
    codes = [process.wait() for process in started]
    how = f'{TOGETHER} processes, exit codes {codes}'
    took = time.time() - begun
    results.add(
        Row(PART, f'ablation {EXPERIMENT}', took, 's', how, not any(codes))
    )


def run(command: list, log: Path) -> tuple[float, str]:
    """Runs a tool; returns seconds and what it printed.

    Raises:
        RuntimeError: It failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.time()
    with log.open('w') as file:
        code = subprocess.run(
            [sys.executable, *map(str, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode
    text = log.read_text(errors='replace')
    if code:
        msg = f'{command[0]} ended with {code}, see {log}:\n{text[-1500:]}'
        raise RuntimeError(msg)
    return time.time() - begun, text
