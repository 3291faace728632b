"""The page is written at the end of a run, and never breaks it."""

import json

import pytest

from mmdet_ddpm_moco.engine.run_record import FILE
from mmdet_ddpm_moco.report_page import at_end, page
from mmdet_ddpm_moco.report_page.at_end import reported


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr(at_end, 'print_log', lines.append)
    return lines


@pytest.fixture
def work_dir(tmp_path):
    record = dict(command='python', config='', stages=[])
    (tmp_path / FILE).write_text(json.dumps(record))
    return tmp_path


def test_the_log_says_where(log, work_dir):
    with reported(work_dir):
        pass
    assert log == [f'report of this run: {work_dir / "report.html"}']
    assert (work_dir / 'report.html').is_file()


def test_also_after_a_crash_which_goes_on(log, work_dir):
    with pytest.raises(ZeroDivisionError), reported(work_dir):
        1 / 0  # noqa: B018
    assert (work_dir / 'report.html').is_file()


@pytest.mark.parametrize('crash', [False, True])
def test_a_failure_is_one_warning(log, work_dir, monkeypatch, crash):
    def fail(*_):
        raise OSError('disk\nfull')

    monkeypatch.setattr(page, 'write_report', fail)
    if crash:
        with pytest.raises(ZeroDivisionError), reported(work_dir):
            1 / 0  # noqa: B018
    else:
        with reported(work_dir):
            pass
    assert log == ['warning: no report of this run: OSError: disk full']


def test_a_run_without_stages_has_none(log, tmp_path):
    with reported(tmp_path):
        pass
    assert log == []
    assert list(tmp_path.iterdir()) == []
