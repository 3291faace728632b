"""The bank's stage under several ranks: all of them synthesize."""

import json
import sys
import time
from multiprocessing import get_context

import pytest
import torch

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import (
    files_of,
    load,
    lose_bank,
    made_in,
    make_stages_quick,
    reads,
    write_configs,
)
from mmdet_ddpm_moco.bank.lock import bank_lock
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.engine import stage
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.engine.training import set_aside

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='needs fork')
FORK = get_context('fork')


def prepare_as(rank, detector, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/meeting',
        rank=rank,
        world_size=2,
    )
    write_block = BankWriter.write_block

    def noted(self, block, *args):
        (folder / f'rank{rank}_painted_{block}').touch()
        write_block(self, block, *args)

    def slow(path):
        (folder / f'aside_{rank}').touch()
        time.sleep(1)  # time for the other one to see it there, too
        return set_aside(path)

    BankWriter.write_block = noted
    stage.set_aside = slow
    prepare(reads(detector, bank=True))


def prepare_in_two(detector, folder):
    """Exit codes of the ranks, and which rank sampled which block."""
    folder.mkdir()
    ranks = [
        FORK.Process(target=prepare_as, args=(rank, detector, folder))
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(300)
    hung = [process.is_alive() for process in ranks]
    for process in ranks:
        process.kill()
    assert not any(hung)
    painted = sorted(p.name for p in folder.glob('rank*'))
    return [process.exitcode for process in ranks], painted


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """A detector whose generator is trained, and whose bank is not there."""
    make_stages_quick(monkeypatch)
    data = write_images(tmp_path / 'data')
    path = write_configs(tmp_path, data, tmp_path / 'root')
    text = path.read_text()
    path.write_text(text.replace('num=4', 'num=8'))
    cfg = reads(path, bank=True)
    stages_of(cfg)[0].make()
    return path


def test_ranks_share_the_blocks_of_the_stage(detector, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    prepare(reads(detector, bank=True))
    torch.set_num_threads(threads)
    expected = files_of(tmp_path / 'root' / 'bank')
    lose_bank(tmp_path)
    codes, painted = prepare_in_two(detector, tmp_path / 'ranks')
    assert codes == [0, 0]
    assert {'rank0_painted_0', 'rank1_painted_1'} <= set(painted)
    assert files_of(tmp_path / 'root' / 'bank') == expected
    assert made_in(tmp_path / 'root') == {'ddpm', 'bank'}
    # Both of them find that all is done.
    assert prepare_in_two(detector, tmp_path / 'again') == ([0, 0], [])


def test_a_bank_of_other_settings_is_set_aside_once(detector, tmp_path):
    bank = tmp_path / 'root' / 'bank'
    bank.mkdir()
    (bank / 'settings.json').write_text('{"seed": 99}')
    codes, _ = prepare_in_two(detector, tmp_path / 'ranks')
    assert codes == [0, 0]
    assert [p.name for p in (tmp_path / 'ranks').glob('aside*')] == ['aside_0']
    assert made_in(tmp_path / 'root') == {
        'ddpm',
        'bank',
        'bank.old-1',
    }
    assert files_of(tmp_path / 'root' / 'bank.old-1') == {
        'settings.json': b'{"seed": 99}'
    }


def test_a_bank_that_is_being_written_is_not_set_aside(detector, tmp_path):
    bank = tmp_path / 'root' / 'bank'
    with bank_lock(bank, dict(seed=99)):
        with pytest.raises(ValueError, match='another process'):
            prepare(reads(detector, bank=True))
        codes, painted = prepare_in_two(detector, tmp_path / 'ranks')
        assert codes == [1, 1]
        assert painted == []
    assert made_in(tmp_path / 'root') == {'ddpm', 'bank'}


def test_killed_while_it_cleared_up(detector, tmp_path):
    """The bank can be read, but the next run finishes it."""
    prepare(reads(detector, bank=True))
    bank = tmp_path / 'root' / 'bank'
    expected = files_of(bank)
    stage = stages_of(load(detector))[1]
    assert stage.fresh()
    manifest = json.loads((bank / 'manifest.json').read_text())
    more = ('asked', 'kept', 'rejected', 'kinds')
    begun_with = {k: v for k, v in manifest.items() if k not in more}
    (bank / 'settings.json').write_text(json.dumps(begun_with))
    (bank / 'records').mkdir()
    assert not stage.fresh()
    stage.make()
    assert stage.fresh()
    assert files_of(bank) == expected
