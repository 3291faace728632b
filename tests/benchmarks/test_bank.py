import pytest

from benchmarks.speed import bank
from benchmarks.speed.bank import (
    LOOK_UPS,
    PER_IMAGE,
    bank_rows,
    drawn_paths,
    image_name,
    write_artificial_bank,
)
from mmdet_ddpm_moco.bank.reader import DefectBank


@pytest.mark.parametrize('windows', [1, 10, 27, 3000])
def test_windows_of_an_artificial_bank_are_found(tmp_path, windows):
    bank = DefectBank(write_artificial_bank(tmp_path / 'bank', windows))
    assert len(bank) == windows
    images = -(-windows // PER_IMAGE)
    for i in range(images):
        found = bank.windows_of(f'data/images/{image_name(i)}')
        assert [w.number for w in found] == list(
            range(i * PER_IMAGE, min((i + 1) * PER_IMAGE, windows))
        )
    assert bank.windows_of(image_name(images)) == []
    assert set(drawn_paths(windows)) <= {
        f'data/artificial/images/{image_name(i)}' for i in range(images)
    }
    assert len(drawn_paths(windows)) == LOOK_UPS


def test_artificial_windows_are_valid(tmp_path):
    bank = DefectBank(write_artificial_bank(tmp_path, 500))
    windows = [bank[i] for i in range(500)]
    assert {w.kind for w in windows} == {'add', 'replaces', 'null'}
    for window in windows:
        x, y, w, h = window.box
        if window.kind == 'null':
            assert (window.label, window.box) == (-1, (0, 0, 0, 0))
            continue
        assert 0 <= window.label < len(bank.classes)
        left, top, width, height = window.window
        assert left <= x < x + w <= left + width
        assert top <= y < y + h <= top + height


def test_rows_of_every_size(monkeypatch):
    monkeypatch.setattr(bank, 'SIZES', (20, 300))
    monkeypatch.setattr(bank, 'OPENED', 100)
    rows = bank_rows(repeats=1)
    assert [row.what for row in rows] == [
        'opening 100 windows',
        'opening 100 windows: memory',
        f'opening 100 windows and {LOOK_UPS} look-ups: memory',
        'look-up among 20',
        'look-up among 300',
        'look-up among 300 against 20',
    ]
    assert [row.most for row in rows] == [1, 150, 150, None, None, None]
    assert rows[5].value == pytest.approx(rows[4].value / rows[3].value)


def test_a_system_without_proc(monkeypatch):
    monkeypatch.setattr(bank, 'STATUS', bank.Path('/none'))
    assert bank._resident_bytes() is None
    row = bank._memory('memory', (None, None), '')
    assert (row.value, row.how) == (None, 'this system has no /proc')
