"""What a run records about its stages, step by step."""

import pytest

from helpers.tiny_stages import load
from mmdet_ddpm_moco.engine import run_record
from mmdet_ddpm_moco.engine.run_record import RunRecord, read_run_record
from mmdet_ddpm_moco.engine.stage import Stage


@pytest.fixture
def clock(monkeypatch):
    """Seconds that have passed; a test sets them."""
    now = [0.0]
    monkeypatch.setattr(run_record.time, 'monotonic', lambda: now[0])
    return now


@pytest.fixture
def cfg(tmp_path):
    (tmp_path / 'detector.py').write_text('model = dict()')
    return load(tmp_path / 'detector.py')


def stages(tmp_path):
    return [
        Stage(name, tmp_path / name, lambda: False, lambda: None, f'do {name}')
        for name in ('generator', 'bank')
    ]


def states(cfg):
    rows = read_run_record(cfg.work_dir)['stages']
    return [(row['name'], row['state'], row['seconds']) for row in rows]


def test_it_is_written_at_every_step(cfg, tmp_path, clock, monkeypatch):
    monkeypatch.setattr('sys.argv', ['tools/train.py', 'a b.py'])
    record = RunRecord(cfg, stages(tmp_path))
    found = read_run_record(cfg.work_dir)
    assert found['command'] == "python tools/train.py 'a b.py'"
    assert found['config'] == str(tmp_path / 'detector.py')
    assert found['stages'][1]['command'] == 'do bank'
    assert states(cfg) == [
        ('generator', 'waiting', None),
        ('bank', 'waiting', None),
    ]
    record.begin(0)
    # What a crash leaves.
    assert states(cfg)[0] == ('generator', 'making', None)
    clock[0] = 12.5
    record.end(0)
    assert states(cfg)[0] == ('generator', 'made', 12.5)


def test_a_stage_that_is_reused_keeps_its_seconds(cfg, tmp_path, clock):
    record = RunRecord(cfg, stages(tmp_path))
    record.begin(0)
    clock[0] = 3.0
    record.end(0)
    record = RunRecord(cfg, stages(tmp_path))
    record.reuse(0)
    record.reuse(1)
    assert states(cfg) == [
        ('generator', 'reused', 3.0),
        ('bank', 'reused', None),
    ]


def test_a_record_of_another_output_does_not_count(cfg, tmp_path, clock):
    record = RunRecord(cfg, stages(tmp_path))
    record.begin(0)
    record.end(0)
    record = RunRecord(cfg, stages(tmp_path / 'moved'))
    record.reuse(0)
    assert states(cfg)[0] == ('generator', 'reused', None)


def test_without_one_there_is_nothing_to_read(tmp_path):
    assert read_run_record(tmp_path) == {}
    (tmp_path / run_record.FILE).write_text('{')
    assert read_run_record(tmp_path) == {}
