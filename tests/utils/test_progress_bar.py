"""The bar of work that takes long, on a terminal alone."""

import io

import pytest

from mmdet_ddpm_moco.utils.cli import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ('stream', 'delay', 'shown'),
    [(Terminal, 0, True), (Terminal, 100, False), (io.StringIO, 0, False)],
)
def test_only_a_terminal_shows_long_work(monkeypatch, stream, delay, shown):
    err = stream()
    monkeypatch.setattr('sys.stderr', err)
    assert list(progress_bar([5, 6], 'reading', delay=delay)) == [5, 6]
    assert ('reading' in err.getvalue()) == shown
    # Nothing of it is left: blanks over it, and back to the start.
    if shown:
        assert err.getvalue().endswith(' \r')
    else:
        assert err.getvalue() == ''
