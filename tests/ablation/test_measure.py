"""Invalid or unfinished runs are not in the table."""

import json
from types import SimpleNamespace

import pytest

from helpers.tiny_experiment import (
    FakeTools,
    add_generator,
    measured,
)
from mmdet_ddpm_moco.ablation import stopwatch
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import (
    prepare_runs,
    run_experiment,
    valid_records,
)
from mmdet_ddpm_moco.ablation.records import append_record, read_records
from mmdet_ddpm_moco.ablation.table import table


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


def test_checkpoints_of_an_older_run_are_not_scored(experiment):
    """Its line was removed, and the schedule is shorter now."""
    with experiment.file.open('a') as file:
        file.write('checkpoints = 2\n')
    experiment = read_experiment(experiment.file)
    tools = FakeTools(other={80: 4, 360: 4, 640: 0, 720: 1})
    tools.kept = 640, 720
    run_experiment(experiment, command=tools)
    experiment.results.unlink()
    with (experiment.file.parent / 'baseline.py').open('a') as file:
        file.write("train_cfg['max_iters'] = 360\n")
    tools.kept = 80, 360
    run_experiment(experiment, command=tools)
    record = measured(experiment)['other_1_0']
    assert record['checkpoints'] == [dict(AP50=0, AP=0)] * 2


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


def test_a_run_measured_again_has_its_own_time(experiment, monkeypatch):
    tools, took, clock = FakeTools(other=1), [600], [0.0]
    now = SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr(stopwatch, 'time', now)

    def command(command, log, on_line=None):
        if 'train.py' in command[1]:
            clock[0] += took[0]
        return tools(command, log, on_line)

    def seconds():
        run_experiment(experiment, command=command)
        records = measured(experiment).values()
        return {record['seconds']['detector'] for record in records}

    assert seconds() == {600}
    # As the message says that refuses its record.
    experiment.results.unlink()
    baseline = experiment.file.with_name('baseline.py')
    text = baseline.read_text()
    baseline.write_text(text.replace('batch_size=4', 'batch_size=2'))
    took[0] = 300
    assert seconds() == {300}
    # A training that is finished is not repeated, nor its time forgotten.
    experiment.results.unlink()
    assert seconds() == {300}


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
