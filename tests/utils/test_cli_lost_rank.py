"""A rank whose neighbor has died says so in one line."""

import pytest

from mmdet_ddpm_moco.utils.cli import one_line_errors

GLOO = (
    '[gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:48286: '
    'Connection reset by peer'
)
NCCL = (
    'NCCL error: remote process exited or there was a network error\n'
    'Last error: socketProgress: Connection closed by remote peer'
)


def run(message, error=RuntimeError):
    @one_line_errors
    def main():
        raise error(message)

    main()


@pytest.mark.parametrize('message', [GLOO, NCCL])
def test_one_line(monkeypatch, capsys, message):
    monkeypatch.setenv('WORLD_SIZE', '4')
    monkeypatch.setenv('RANK', '2')
    with pytest.raises(SystemExit) as stop:
        run(message)
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert told.count('\n') == 1
    assert 'another of the 4 ranks has ended' in told
    assert '--resume' in told


@pytest.mark.parametrize('message', [GLOO, NCCL])
def test_not_of_a_single_process(monkeypatch, message):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with pytest.raises(RuntimeError):
        run(message)


def test_other_errors_keep_their_traceback(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '4')
    with pytest.raises(RuntimeError):
        run('CUDA out of memory')
