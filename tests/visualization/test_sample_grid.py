import numpy as np
import pytest

from helpers.tiny_banks import CLASSES, OPTIONS, write_generator, write_images
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis import gates
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import synthesize_bank
from mmdet_ddpm_moco.visualization.sample_grid import (
    CELL,
    COLUMNS,
    GAP,
    HEAD,
    draw_bank,
    draw_cell,
)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A bank with a window of every class and kind."""
    monkeypatch.setattr(gates, 'seam', lambda *_: 0.0)
    monkeypatch.setattr(gates.SeenDefects, 'is_copy', lambda *_: False)
    images = write_images(tmp_path / 'data')
    generator = load_generator(write_generator(tmp_path / 'generator'))
    mix = dict(add=0.3, replaces=0.3, null=0.4)
    options = {**OPTIONS, 'mix': mix}
    synthesize_bank(generator, *images, tmp_path / 'b', num=40, **options)
    return DefectBank(tmp_path / 'b'), LabeledImages(*images)


def cells(grid, row):
    """Cells of a row: real ones, synthesized ones."""
    top = row * (HEAD + CELL + GAP) + HEAD
    step = CELL + GAP
    sides = (GAP, GAP + COLUMNS * step + 3 * GAP)
    return [
        [
            grid[top : top + CELL, x + i * step : x + i * step + CELL]
            for i in range(COLUMNS)
        ]
        for x in sides
    ]


def test_it_has_a_row_for_each_class_and_for_background(made):
    grid = draw_bank(*made)
    assert len(grid) == (len(CLASSES) + 1) * (HEAD + CELL + GAP)
    for row, name in enumerate(CLASSES):
        real, synthesized = cells(grid, row)
        label = made[0].classes.index(name)
        expected = min(len(made[1].by_class[label]), COLUMNS)
        # Only defects have a green box.
        green = [(c == (60, 140, 20)).all(2).any() for c in real]
        assert sum(green) == expected
        assert not any((c == (60, 140, 20)).all(2).any() for c in synthesized)


def test_background_is_shown_before_and_after(made):
    bank, data = made
    real, synthesized = cells(draw_bank(bank, data), len(CLASSES))
    pairs = [
        (
            draw_cell(crop(data.read(i), w.window)),
            draw_cell(bank.read(w)[0]),
        )
        for i, image in enumerate(data.images)
        for w in bank.windows_of(image.file_name)
        if w.kind == 'null'
    ]
    for before, after in zip(real, synthesized):
        assert any(
            np.array_equal(before, b) and np.array_equal(after, a)
            for b, a in pairs
        )
        assert not np.array_equal(before, after)
