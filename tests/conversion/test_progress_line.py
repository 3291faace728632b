import io

import pytest

from mmdet_ddpm_moco.conversion.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ('stream', 'patience', 'shown'),
    [(Terminal, 0, True), (Terminal, 100, False), (io.StringIO, 0, False)],
)
def test_only_a_patient_terminal_sees_the_line(
    monkeypatch, stream, patience, shown
):
    err = stream()
    monkeypatch.setattr('sys.stderr', err)
    line = ProgressLine(patience)
    line('reading', 1, 9)
    assert ('reading: 1 of 9' in err.getvalue()) == shown
    line.clear()
    # Nothing of it is left: blanks over it, and back to the start.
    if shown:
        assert err.getvalue().endswith('\r' + ' ' * 15 + '\r')
    else:
        assert err.getvalue() == ''
