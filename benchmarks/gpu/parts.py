"""One part of the check, in a process of its own.

A GPU that an error left unusable, or a crash, then ends that part alone.
"""

import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.results import FAILED, PASSED, Results, Row

STAGES = ('generator', 'contrast', 'detector')


def run_part(
    part: str, results: Results, until: float, device: str, root: Path
) -> bool:
    """Runs a part and writes how it ended.

    Args:
        part (str): Its name.
        results (Results): Where rows go.
        until (float): When it has to be done, ``time.time()``.
        device (str): ``'cuda'`` or ``'cpu'``.
        root (Path): The source tree.

    Returns:
        bool: Whether it passed.
    """
    begun = time.time()
    clock = Clock(part, until, results)
    work = results.folder / 'work'
    error = ''
    try:
        fine = _call(part, results, clock, device, root, work)
    except BaseException:
        traceback.print_exc()
        fine, error = False, traceback.format_exc(limit=-4)
    state = PASSED if fine else FAILED
    results.end_part(part, state, time.time() - begun, error)
    return fine


def _call(
    part: str,
    results: Results,
    clock: Clock,
    device: str,
    root: Path,
    work: Path,
) -> bool:
    configs = root / 'configs'
    if part == 'stack':
        from benchmarks.gpu.stack import check_stack

        return check_stack(results, clock, device)
    if part == 'tests':
        return run_tests(results, clock, root)
    os.chdir(work)  # the configs name data/NEU-DET
    if part in STAGES:
        from benchmarks.gpu.stages import run_stages

        fine = run_stages(part, results, clock, device, configs, work)
        if part == 'contrast':
            keep_backbone(work)
        return fine
    if part == 'synthesis':
        from benchmarks.gpu.sampling import run_synthesis

        return run_synthesis(results, clock, device, configs, work)
    from benchmarks.gpu.full import run_full

    return run_full(results, device, root, work)


def run_tests(results: Results, clock: Clock, root: Path) -> bool:
    """Runs the tests marked ``gpu``."""
    report = results.folder / 'tests.xml'
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        *('-m', 'pytest', '-v', '-m', 'gpu', 'tests/gpu'),
        *('-p', 'no:cacheprovider', f'--junitxml={report.resolve()}'),
    ]
    log = results.folder / 'logs' / 'pytest.log'
    log.parent.mkdir(exist_ok=True)
    try:
        with log.open('w') as file:
            subprocess.run(
                command,
                cwd=root,
                timeout=max(clock.left, 1),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
    except subprocess.TimeoutExpired:
        # Written when all tests have ended; a busy machine is slow to exit.
        if report.exists():
            return junit_rows(results, report)
        text = log.read_text(errors='replace')
        how = (
            f'stopped, no time left: {text.count(" PASSED")} passed, '
            f'{text.count(" FAILED")} failed up to then, see {log}'
        )
        results.add(Row('tests', 'pytest', None, how=how, ok=False))
        return False
    return junit_rows(results, report)


def junit_rows(results: Results, report: Path) -> bool:
    """Writes counts of a JUnit file, and each test that failed."""
    if not report.exists():
        results.add(Row('tests', 'pytest', None, how='no report', ok=False))
        return False
    cases = list(ElementTree.parse(report).getroot().iter('testcase'))
    count = dict(passed=0, failed=0, skipped=0)
    reasons: dict[str, int] = {}
    for case in cases:
        kinds = {child.tag: child for child in case}
        if 'failure' in kinds or 'error' in kinds:
            count['failed'] += 1
            problem = kinds.get('failure', kinds.get('error'))
            message = (problem.get('message') or '').splitlines() or ['']
            name = f'{case.get("classname")}::{case.get("name")}'
            results.add(
                Row('tests', name, 'failed', how=message[0][:200], ok=False)
            )
        elif 'skipped' in kinds:
            count['skipped'] += 1
            reason = kinds['skipped'].get('message') or ''
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            count['passed'] += 1
    fine = bool(count['passed']) and not count['failed']
    why = '; '.join(f'{n} skipped: {r}' for r, n in reasons.items())
    text = ', '.join(f'{n} {state}' for state, n in count.items())
    results.add(Row('tests', 'tests marked gpu', text, how=why, ok=fine))
    return fine


def keep_backbone(work: Path) -> None:
    """Puts the backbone of this part where the detector looks for it."""
    for file in sorted((work / 'runs').glob('r50_*/backbone.pth')):
        (work / 'backbone.pth').write_bytes(file.read_bytes())
        return


def average_precision(log: str) -> dict[str, float]:
    """AP and AP50 in a log of ``tools/test.py``, in percent."""
    found = re.findall(r'coco/bbox_(mAP(?:_50)?): ([\d.]+)', log)
    names = {'mAP': 'AP', 'mAP_50': 'AP50'}
    return {names[k]: 100 * float(v) for k, v in found}
