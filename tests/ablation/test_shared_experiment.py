"""Several processes share an experiment."""

import fcntl
from pathlib import Path

from helpers.tiny_experiment import FakeTools, add_generator, measured
from mmdet_ddpm_moco.ablation import measure
from mmdet_ddpm_moco.ablation.measure import prepare_runs, run_experiment


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
