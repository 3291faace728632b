"""Invalid or unfinished runs are not in the table."""

import fcntl
import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

from helpers.tiny_experiment import FakeTools, make_experiment
from mmdet_ddpm_moco.ablation import measure
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import (
    prepare_runs,
    run_experiment,
    valid_records,
)
from mmdet_ddpm_moco.ablation.plot import plot_results
from mmdet_ddpm_moco.ablation.records import append_record, read_records
from mmdet_ddpm_moco.ablation.table import table, write_between_marks
from mmdet_ddpm_moco.utils.paths import shipped


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return read_experiment(make_experiment(tmp_path))


def measured(experiment):
    return valid_records(experiment, prepare_runs(experiment))[0]


def test_every_run_is_measured_once(experiment):
    tools = FakeTools(other=1)
    run_experiment(experiment, command=tools)
    assert tools.trained() == [run.name for run in experiment.runs()]
    # Detections hit every box: 100. One of four missed: one class at half
    # recall has an AP of 51/101 by COCO's 101 points.
    scores = {name: r['AP50'] for name, r in measured(experiment).items()}
    half = round(100 * (1 + 51 / 101) / 2, 2)
    assert scores['baseline_1_0'] == 100
    assert scores['other_1_1'] == pytest.approx(half, abs=0.01)
    run_experiment(experiment, command=tools)
    assert len(tools.trained()) == 4


def test_scores_are_means_over_the_last_checkpoints(experiment):
    with experiment.file.open('a') as file:
        file.write('checkpoints = 3\n')
    one, experiment = experiment, read_experiment(experiment.file)
    # By number, not by name: 80 comes before 720.
    tools = FakeTools(other={80: 4, 360: 1, 640: 0, 720: 1})
    tools.kept = 80, 360, 640, 720
    run_experiment(experiment, command=tools)
    half = 100 * (1 + 51 / 101) / 2
    record = measured(experiment)['other_1_0']
    mean = (half + 100 + half) / 3
    assert record['AP50'] == pytest.approx(mean, abs=0.01)
    assert record['classes']['dent']['AP50'] == pytest.approx(
        (51 + 101 + 51) / 3 / 1.01, abs=0.01
    )
    of_each = [c['AP50'] for c in record['checkpoints']]
    assert of_each == pytest.approx([half, 100, half], abs=0.01)
    # A resample without a missed box has 100, and the mean keeps the pairs.
    found = record['bootstrap']['AP50']
    assert len(found) == 20
    assert max(found) == 100 > min(found)
    text = table(experiment, list(measured(experiment).values()))
    assert 'means over the last 3 checkpoints' in text
    # A record of single scores is not mistaken for one of means.
    with pytest.raises(ValueError, match='measured with other settings'):
        measured(one)


def test_too_few_checkpoints_for_the_mean(experiment):
    with experiment.file.open('a') as file:
        file.write('checkpoints = 2\n')
    with pytest.raises(ValueError, match=r'has 1; set .*max_keep_ckpts'):
        run_experiment(read_experiment(experiment.file), command=FakeTools())


class Killed(BaseException):
    pass


def test_a_killed_run_is_resumed(experiment):
    tools = FakeTools(other=1)
    train = tools.train

    def killed(file):
        if 'other_1_0' in str(file):
            train(file, finished=False)
            raise Killed
        train(file)

    tools.train = killed
    with pytest.raises(Killed):
        run_experiment(experiment, command=tools)
    assert set(measured(experiment)) == {'baseline_1_0'}
    tools.train = train
    run_experiment(experiment, command=tools)
    assert len(measured(experiment)) == 4
    assert tools.trained() == [
        'baseline_1_0',
        'other_1_0',
        'other_1_0',
        'baseline_1_1',
        'other_1_1',
    ]
    again = [c for c in tools.calls if 'other_1_0' in c[2]][1]
    assert '--resume' in again


def test_a_tool_that_stops_early_without_an_error(experiment):
    tools = FakeTools()
    train = tools.train
    tools.train = lambda file: train(file, finished=False)
    with pytest.raises(ValueError, match='baseline_1_0 did not end'):
        run_experiment(experiment, command=tools)
    assert not experiment.results.exists()


def test_a_line_cut_in_half_is_measured_again(experiment):
    tools = FakeTools(other=1)
    run_experiment(experiment, command=tools)
    text = experiment.results.read_text()
    half = text[: len(text) - len(text.splitlines()[-1]) // 2]
    experiment.results.write_text(half)
    found, problems = valid_records(experiment, prepare_runs(experiment))
    assert 'other_1_1' not in found
    assert len(problems) == 1
    assert 'line 4' in problems[0]
    assert '3 of 4 runs' in table(experiment, list(found.values()))
    run_experiment(experiment, command=tools)
    assert len(measured(experiment)) == 4
    # It was trained already.
    assert len(tools.trained()) == 4


def test_an_edited_line_does_not_count(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    text = experiment.results.read_text()
    assert '"AP50": 100.0' in text
    experiment.results.write_text(
        text.replace('"AP50": 100.0', '"AP50": 101.0')
    )
    found, problems = valid_records(experiment, prepare_runs(experiment))
    assert len(found) + len(problems) == 4
    assert problems


def test_a_config_changed_since_is_an_error(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    variant = experiment.file.parent / 'baseline.py'
    variant.write_text(
        variant.read_text().replace('batch_size=4', 'batch_size=2')
    )
    with pytest.raises(ValueError, match=r'baseline_1_0 in .* other settings'):
        run_experiment(experiment, command=FakeTools())


def test_variants_with_equal_scores_are_refused(experiment):
    with pytest.raises(ValueError, match='to the last digit') as error:
        run_experiment(experiment, command=FakeTools())
    assert 'other_1_0 has the figures of baseline_1_0' in str(error.value)
    assert set(measured(experiment)) == {'baseline_1_0'}


def test_variants_that_detect_nothing_may_be_equal(experiment):
    run_experiment(experiment, command=FakeTools(baseline=4, other=4))
    assert {r['AP50'] for r in measured(experiment).values()} == {0}


def test_detections_of_other_images_are_refused(experiment):
    tools = FakeTools()

    def foreign(file, checkpoint, out):
        box = dict(image_id=99, category_id=1, bbox=[0, 0, 5, 5], score=1.0)
        out.write_text(json.dumps([box]))

    tools._test = foreign
    with pytest.raises(ValueError, match='image 99'):
        run_experiment(experiment, command=tools)
    assert not experiment.results.exists()


def test_two_experiments_do_not_share_a_work_folder(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    second = experiment.file.with_name('second.py')
    second.write_text(experiment.file.read_text())
    with pytest.raises(
        ValueError, match='work folder of the experiment experiment'
    ):
        run_experiment(read_experiment(second), command=FakeTools())


class OtherProcess:
    """Another process that holds locks until its end."""

    def __init__(self, experiment, *names):
        self.files = [
            (experiment.work_dir / 'locks' / n).open('w') for n in names
        ]
        for file in self.files:
            fcntl.flock(file, fcntl.LOCK_EX)

    def end(self):
        for file in self.files:
            file.close()


def test_a_run_of_another_process_is_left_to_it(experiment, monkeypatch):
    run_experiment(experiment, only=['baseline'], command=FakeTools())
    lines = experiment.results.read_text()
    experiment.results.unlink()
    other = OtherProcess(experiment, 'baseline_1_0', 'baseline_1_1')

    def wait(_):
        """Meanwhile the other process measures its runs."""
        experiment.results.write_text(experiment.results.read_text() + lines)
        other.end()

    monkeypatch.setattr(measure.time, 'sleep', wait)
    tools = FakeTools(other=1)
    run_experiment(experiment, command=tools)
    assert tools.trained() == ['other_1_0', 'other_1_1']
    assert len(measured(experiment)) == 4


def test_a_run_of_a_dead_process_is_taken_over(experiment, monkeypatch):
    (experiment.work_dir / 'locks').mkdir(parents=True)
    other = OtherProcess(experiment, 'baseline_1_0')
    monkeypatch.setattr(measure.time, 'sleep', lambda _: other.end())
    tools = FakeTools(other=1)
    run_experiment(experiment, command=tools)
    assert tools.trained()[-1] == 'baseline_1_0'
    assert len(measured(experiment)) == 4


def test_a_stage_is_made_by_one_process_at_a_time(experiment, monkeypatch):
    """Variants with one recipe share a stage, and one process makes it."""
    add_generator(experiment)
    (experiment.work_dir / 'locks').mkdir(parents=True)
    configs = {run.name: c for run, c in prepare_runs(experiment)}
    root = Path(configs['other_1_0'].detector.stages.root).name
    other = OtherProcess(experiment, f'stages-{root}')
    monkeypatch.setattr(measure.time, 'sleep', lambda _: other.end())
    tools = FakeTools(other=1)
    run_experiment(experiment, command=tools)
    assert tools.trained()[-1] == 'other_1_0'


def add_generator(experiment):
    with (experiment.file.parent / 'other.py').open('a') as file:
        file.write(
            "stages = dict(root='run', generator=dict(config='ddpm.py'))\n"
        )
    (experiment.file.parent / 'ddpm.py').write_text(
        "train_dataloader = dict(dataset=dict(type='W', "
        "ann_file='data/annotations/train_20.json'))\n"
    )


def test_stages_are_timed_and_shared(experiment):
    tools = FakeTools(other=1)
    add_generator(experiment)

    def command(command, log, on_line=None):
        if on_line and 'other' in command[2]:
            on_line('stage 1 of 1, generator: making x\n')
            on_line('all stages are ready, the detector follows\n')
        return tools(command, log, on_line)

    run_experiment(experiment, command=command)
    records = measured(experiment)
    assert set(records['other_1_0']['seconds']) == {'generator', 'detector'}
    assert set(records['baseline_1_0']['seconds']) == {'detector'}


def test_a_cut_line_does_not_swallow_the_next(tmp_path):
    file = tmp_path / 'results.jsonl'
    append_record(file, dict(run='a', x=1.5))
    with file.open('a') as half:
        half.write('{"run": "b", "x"')
    append_record(file, dict(run='c', x=None))
    records, problems = read_records(file)
    assert [r['run'] for r in records] == ['a', 'c']
    assert len(problems) == 1
    assert 'line 2' in problems[0]


def test_the_plot_shows_each_variant(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    records = list(measured(experiment).values())
    shown = []
    for chosen in (
        records,
        [r for r in records if r['variant'] == 'baseline'],
    ):
        plot_results(experiment, chosen, experiment.file.with_suffix('.png'))
        shown.append(cv2.imread(str(experiment.file.with_suffix('.png'))))
    assert shown[0].shape == shown[1].shape
    # The second color of matplotlib, orange, is that of the second variant.
    orange = [(abs(p.astype(int) - (14, 127, 255)).max(2) < 9) for p in shown]
    assert orange[0].sum() > 50
    assert not orange[1].any()


def test_the_plot_of_several_numbers_of_images_has_lines(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    more = [
        dict(r, shots=shots)
        for r in measured(experiment).values()
        for shots in (1, 5)
    ]
    object.__setattr__(experiment, 'shots', (1, 5))
    file = experiment.file.with_suffix('.png')
    shown = []
    for chosen in (more, [r for r in more if r['shots'] == 1]):
        plot_results(experiment, chosen, file)
        orange = abs(cv2.imread(str(file)).astype(int) - (14, 127, 255))
        shown.append((orange.max(2) < 9).any(0).sum())
    # A line spans the picture, a dot does not.
    assert shown[0] > 3 * shown[1]


def test_the_table_pairs_variants_by_seed(experiment):
    run_experiment(experiment, command=FakeTools(other=1))
    text = table(experiment, list(measured(experiment).values()))
    half = 100 * (1 + 51 / 101) / 2
    row = next(x for x in text.splitlines() if x.startswith('| other'))
    assert f'| {half:.1f} ± 0.0 |' in row
    assert f'| {half - 100:+.1f} |' in row
    assert text.count('| baseline |') == 3  # scores, classes, times
    # Of the stages only those that a run has.
    assert '| variant | images per class | detector |' in text
    records = list(measured(experiment).values())
    timed = [
        dict(r, seconds=dict(r['seconds'], teacher=120, bank=60))
        for r in records
    ]
    with_stages = table(experiment, timed)
    assert '| bank | teacher | detector |' in with_stages
    assert '| 1.0 | 2.0 |' in with_stages
    readme = experiment.file.parent / 'README.md'
    assert not write_between_marks(readme, 'experiment', text)
    readme.write_text(
        'a\n<!-- begin experiment -->\nold\n<!-- end experiment -->\nb\n'
    )
    assert write_between_marks(readme, 'experiment', text)
    written = readme.read_text()
    assert written.startswith('a\n')
    assert written.endswith('-->\nb\n')
    assert 'old' not in written
    assert text in written


def test_another_variant_can_be_the_reference(experiment, monkeypatch, capsys):
    run_experiment(experiment, command=FakeTools(other=1))
    before = sorted(Path().rglob('*'))
    tool = str(shipped('tools') / 'ablation.py')
    asked = [str(experiment.file), '--against', 'other']
    monkeypatch.setattr(sys, 'argv', [tool, *asked])
    runpy.run_path(tool)['main']()
    shown = capsys.readouterr().out
    half = 100 * (1 + 51 / 101) / 2
    assert 'differences from other are' in shown
    row = next(x for x in shown.splitlines() if x.startswith('| baseline'))
    assert f'| {100 - half:+.1f} |' in row
    # It is for reading: no picture, and no table in the README.
    assert sorted(Path().rglob('*')) == before
    with pytest.raises(
        ValueError, match='has no variant oter; it has baseline'
    ):
        experiment.against('oter')


@pytest.mark.parametrize('other', ['--check', '--table', '--only=baseline'])
def test_against_excludes_other_modes(other, monkeypatch, capsys):
    tool = str(shipped('tools') / 'ablation.py')
    asked = ['experiment.py', '--against', 'other', other]
    monkeypatch.setattr(sys, 'argv', [tool, *asked])
    with pytest.raises(SystemExit):
        runpy.run_path(tool)['main']()
    message = capsys.readouterr().err.splitlines()[-1]
    assert 'not allowed with argument' in message
