"""The check of a GPU machine: its bookkeeping. (It runs with --device cpu.)"""

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import parts, stages
from benchmarks.gpu.clock import Clock
from benchmarks.gpu.data import draw_images, prepare_data, read_note
from benchmarks.gpu.parts import average_precision, junit_rows
from benchmarks.gpu.profiling import covered, profiled_rows
from benchmarks.gpu.results import (
    FAILED,
    NOT_RUN,
    PASSED,
    Results,
    Row,
    shown,
    write_report,
)
from benchmarks.gpu.stack import compared, machine_rows
from benchmarks.gpu.variants import STAGES
from mmdet_ddpm_moco.utils.paths import shipped

TOOL = shipped('tools') / 'check_gpu.py'


def test_rows_are_written_at_once(tmp_path):
    screen = io.StringIO()
    results = Results(tmp_path / 'new', screen)
    results.add(Row('stack', 'speed', 3.0, '/s', 'of 2'))
    line = json.loads(results.file.read_text())
    assert (line['kind'], line['value'], line['ok']) == ('row', 3.0, None)
    assert 'speed: 3 /s  of 2' in screen.getvalue()


def test_a_line_that_was_cut_off_is_skipped(tmp_path):
    results = Results(tmp_path)
    results.add(Row('stack', 'first', 1.0))
    with results.file.open('a') as file:
        file.write('{"kind": "row", "par')
    results.add(Row('stack', 'second', 2.0))
    assert [x['name'] for x in results.rows('stack')] == ['first', 'second']


def test_only_the_newest_run_of_a_part_counts(tmp_path):
    results = Results(tmp_path)
    results.add(Row('stack', 'old', 1.0))
    results.end_part('stack', FAILED, 3, 'it broke')
    assert [x['name'] for x in results.rows('stack')] == ['old']
    results.add(Row('stack', 'new', 1.0))
    results.add(Row('tests', 'other', 1.0))
    results.end_part('stack', PASSED, 4)
    assert [x['name'] for x in results.rows('stack')] == ['new']
    assert results.parts()['stack']['state'] == PASSED
    assert 'tests' not in results.parts()


def test_the_report(tmp_path):
    results = Results(tmp_path)
    results.add(Row('stack', 'right', 1.0, ok=True))
    results.add(Row('stack', 'wrong', 2.0, ok=False))
    results.end_part('stack', FAILED, 3, 'Traceback\nValueError: no')
    text = write_report(results, ('stack', 'tests')).read_text()
    assert '## stack: failed (3 s)' in text
    assert 'ValueError: no' in text
    assert '| right | 1 |  | holds |' in text
    assert '| wrong | 2 |  | **FAILS** |' in text
    assert f'## tests: {NOT_RUN}' in text


@pytest.mark.parametrize(
    ('value', 'text'),
    [(None, 'not run'), ('a', 'a'), (1234.5678, '1235 x'), (2e-9, '2e-09 x')],
)
def test_values_are_shown(value, text):
    assert shown(Row('p', 'n', value, 'x')) == text


def test_the_clock(tmp_path):
    results = Results(tmp_path)
    clock = Clock('stack', time.time() + 10, results)
    assert clock.allows('short', 5)
    assert not clock.allows('long', 60)
    (row,) = results.rows('stack')
    assert row['name'] == 'long'
    assert row['value'] is None


def test_covered():
    assert covered([]) == 0
    assert covered([(0, 2), (1, 3), (5, 6), (5.5, 5.7)]) == 4


def test_a_profile_counts_what_is_read_back():
    values = torch.rand(3)

    def step():
        (values * 2).sum().item()
        values[0].item()

    rows = {
        row.name: row.value
        for row in profiled_rows('stack', 'x', step, 2, 'cpu')
    }
    assert rows['x: values read back'] == 2
    assert 0 < rows['x: inside of torch operators'] <= 100


def test_all_versions_are_found():
    versions = {row.name: row.value for row in machine_rows('cpu')}
    assert 'opencv' in versions
    assert 'not found' not in versions.values()


def test_a_variant_that_fails_leaves_the_others(tmp_path, monkeypatch):
    ran = []

    def fails_once(stage, variant, *_):
        ran.append(variant.name)
        if len(ran) == 1:
            raise ValueError('no such layout\nmore')

    monkeypatch.setattr(stages, 'run_variant', fails_once)
    results = Results(tmp_path)
    clock = Clock('detector', time.time() + 60, results)
    fine = stages.run_stages(
        'detector', results, clock, 'cpu', tmp_path, tmp_path
    )
    assert not fine
    (variants,) = [s.variants for s in STAGES if s.part == 'detector']
    assert ran == [v.name for v in variants if not v.needs_gpu]
    (error,) = [x for x in results.rows('detector') if x['value'] == 'error']
    assert error['how'] == 'ValueError: no such layout'
    assert error['ok'] is False


def test_a_part_without_time_for_any_variant_has_not_passed(tmp_path):
    results = Results(tmp_path)
    clock = Clock('contrast', time.time() + 1, results)
    assert not stages.run_stages(
        'contrast', results, clock, 'cpu', tmp_path, tmp_path
    )
    assert 'no time left' in results.rows('contrast')[0]['how']


def test_nan_does_not_pass():
    good = torch.ones(3)
    assert compared('x', good, good, 1e-6, 'y').ok
    assert not compared('x', good * float('nan'), good, 1e-6, 'y').ok
    assert not compared('x', good * 1.1, good, 1e-2, 'y').ok


@pytest.mark.parametrize('failing', [False, True])
def test_junit(tmp_path, failing):
    bad = '<failure message="assert 1 == 2&#10;more"/>' * failing
    (tmp_path / 'tests.xml').write_text(
        f"""<testsuites><testsuite>
        <testcase classname="a" name="one">{bad}</testcase>
        <testcase classname="a" name="two"/>
        <testcase classname="a" name="three"><skipped message="no GPU"/>
        </testcase></testsuite></testsuites>"""
    )
    results = Results(tmp_path)
    assert junit_rows(results, tmp_path / 'tests.xml') is not failing
    last = results.rows('tests')[-1]
    assert last['ok'] is not failing
    assert '1 skipped: no GPU' in last['how']
    if failing:
        assert results.rows('tests')[0]['name'] == 'a::one'
        assert results.rows('tests')[0]['how'] == 'assert 1 == 2'


@pytest.mark.parametrize('ended', [True, False])
def test_tests_that_ended_are_not_taken_for_stopped(
    tmp_path, monkeypatch, ended
):
    """A process that is slow to exit after its last test."""

    def run(command, timeout, stdout, **_):
        stdout.write('a PASSED\n')
        if ended:
            report = command[-1].removeprefix('--junitxml=')
            Path(report).write_text('<suite><testcase name="a"/></suite>')
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(parts.subprocess, 'run', run)
    results = Results(tmp_path)
    clock = Clock('tests', time.time() + 9, results)
    assert parts.run_tests(results, clock, tmp_path) is ended
    (row,) = results.rows('tests')
    assert ('stopped' in row['how']) is not ended


def test_no_junit_is_a_failure(tmp_path):
    assert not junit_rows(Results(tmp_path), tmp_path / 'tests.xml')


def test_average_precision():
    log = 'coco/bbox_mAP: 0.4210  coco/bbox_mAP_50: 0.7770  other: 1'
    assert average_precision(log) == {
        'AP': pytest.approx(42.1),
        'AP50': pytest.approx(77.7),
    }


def test_drawn_data(tmp_path):
    assert 'not NEU-DET' in prepare_data(tmp_path, None, tmp_path / 'work')
    assert read_note(tmp_path / 'work')['source'] is None
    folder = tmp_path / 'work/data/NEU-DET/annotations'
    train, shots = (
        json.loads((folder / f'{name}.json').read_text())
        for name in ('train', 'train_20')
    )
    names = [image['file_name'] for image in train['images']]
    assert {x['file_name'] for x in shots['images']} < set(names)
    for x, y, w, h in (a['bbox'] for a in train['annotations']):
        assert x >= 0 and y >= 0 and x + w <= 200 and y + h <= 200
    draw_images(tmp_path / 'again')
    again = tmp_path / 'again/annotations/train.json'
    assert json.loads(again.read_text()) == train


def check(folder, *words):
    return subprocess.run(
        [sys.executable, TOOL, '--device', 'cpu', '--out', folder, *words],
        capture_output=True,
        text=True,
    )


def test_without_time_parts_are_listed_as_not_run(tmp_path):
    done = check(tmp_path, '--budget', '1', '--only', 'stack')
    assert done.returncode == 0, done.stderr
    assert 'stack: not run, no time left' in done.stdout
    assert '## stack: not run' in (tmp_path / 'report.md').read_text()


def test_results_of_another_machine_are_not_mixed(tmp_path):
    other = dict(kind='header', device='cuda', machine='H100', time='')
    Results(tmp_path)._append(other)
    done = check(tmp_path, '--only', 'stack')
    assert done.returncode == 2
    assert '--fresh' in done.stderr


@pytest.mark.slow
def test_a_part_that_passed_is_not_run_again(tmp_path):
    first = check(tmp_path, '--only', 'stack')
    assert first.returncode == 0, first.stdout + first.stderr
    lines = (tmp_path / 'results.jsonl').read_text().count('"row"')
    assert lines > 10
    second = check(tmp_path, '--only', 'stack')
    assert 'stack: passed before' in second.stdout
    assert (tmp_path / 'results.jsonl').read_text().count('"row"') == lines


@pytest.mark.slow
def test_a_part_that_dies_is_recorded_and_the_next_one_runs(tmp_path):
    (tmp_path / 'logs').mkdir()
    # The process of the part cannot start: its program is not there.
    code = f"""
import sys
sys.path.insert(0, {str(TOOL.parent)!r})
sys.path.insert(0, {str(TOOL.parent.parent)!r})
import check_gpu
run = check_gpu.run_child
def dies(args, part, seconds):
    return -9 if part == 'tests' else run(args, part, seconds)
check_gpu.run_child = dies
(open({str(tmp_path / 'logs/tests.log')!r}, 'w')).write('Segmentation fault')
sys.argv = ['x', '--device', 'cpu', '--out', {str(tmp_path)!r}, '--only',
            'tests', 'stack']
check_gpu.PLAN = check_gpu.CPU_PLAN = dict(tests=70, stack=40)
sys.exit(check_gpu.main())
"""
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    parts = Results(tmp_path).parts()
    assert parts['tests']['state'] == FAILED
    assert 'Segmentation fault' in parts['tests']['error']
    assert 'ended with -9' in parts['tests']['error']
    assert parts['stack']['state'] == PASSED


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_the_default_budget_has_room_for_all_parts(device, monkeypatch):
    """Each begins if all before it take what is planned for them."""
    monkeypatch.syspath_prepend(TOOL.parent)
    import check_gpu

    plan = check_gpu.CPU_PLAN if device == 'cpu' else check_gpu.PLAN
    assert plan.keys() == check_gpu.PLAN.keys()
    assert sum(plan.values()) <= 480
    assert min(plan.values()) - check_gpu.GRACE >= check_gpu.LEAST
