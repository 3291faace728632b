"""The teachers' stage under several ranks: the main process trains them."""

import os

import pytest

from helpers.tiny_ranks import Ranks, needs_fork
from helpers.tiny_teachers import read_detector, write_data, write_detector
from mmdet_ddpm_moco.bank.scenes import Scenes
from mmdet_ddpm_moco.engine import teacher_stage
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.utils.errors import ToolFailedError
from mmdet_ddpm_moco.utils.run_logged import run_logged

pytestmark = needs_fork


@pytest.fixture
def detector(tmp_path):
    return write_detector(write_data(tmp_path))


@pytest.mark.slow
def test_the_main_process_alone_trains(detector, tmp_path, monkeypatch):
    # In processes of their own, which must not join the ranks' group.
    def noted(command, log, on_line=None):
        rank = os.environ['RANK']
        (tmp_path / f'rank{rank}_{log.parent.name}').touch()
        return run_logged(command, log, on_line)

    monkeypatch.setattr(teacher_stage, 'run_logged', noted)
    ranks = Ranks(lambda: prepare(read_detector(detector)), tmp_path / 'ranks')
    codes = ranks.end()
    assert codes == [0, 0], ranks.printed()
    assert sorted(p.name for p in tmp_path.glob('rank?_*')) == [
        'rank0_0',
        'rank0_1',
    ]
    assert len(Scenes(tmp_path / 'root/scenes')) == 6
    (stage,) = stages_of(read_detector(detector))
    assert stage.fresh()
    main, other = ranks.printed()
    assert 'teachers: 2 x 1 epochs' in main
    assert 'teachers: ' not in other


def test_a_failure_ends_all_ranks(detector, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise ToolFailedError('out of memory')

    monkeypatch.setattr(teacher_stage, 'run_logged', fails)
    ranks = Ranks(lambda: prepare(read_detector(detector)), tmp_path / 'ranks')
    assert ranks.end() == [3, 1]
    main, other = ranks.printed()
    assert 'out of memory' in main
    assert 'Traceback' not in other
