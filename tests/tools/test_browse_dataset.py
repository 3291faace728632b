"""tools/browse_dataset.py, and where it finds boxes to come from."""

import runpy
import sys
from collections import Counter

import cv2
import numpy as np
import pytest

from helpers.tiny_detection import (
    HOOK,
    SIZE,
    coco,
    detector_config,
    write_bank,
    write_images,
)
from helpers.tiny_scenes import make_scenes
from mmdet_ddpm_moco.engine.browsing import browsed_dataset, draw_samples
from mmdet_ddpm_moco.utils.paths import shipped
from mmdet_ddpm_moco.visualization.training_samples import (
    CELL,
    LEGEND,
    draw_cell,
    draw_grid,
    draw_sample,
)

PACKED = [
    dict(type='RandomFlip', prob=1.0),
    dict(type='Resize', scale=(2 * SIZE, 2 * SIZE)),
    dict(type='PackDetInputs'),
]


@pytest.fixture
def config(tmp_path):
    data = write_images(tmp_path / 'data')
    bank = write_bank(tmp_path / 'bank', data)

    def config(**hook):
        hooks = [dict(type=HOOK, **hook)] if hook else []
        cfg = detector_config(data, tmp_path / 'run', hooks)
        cfg.train_dataloader.dataset = coco(data, PACKED)
        return cfg

    config.bank = bank
    return config


def origins(samples):
    return Counter(origin for sample in samples for origin in sample.origins)


def samples_of(cfg, number=4):
    return list(draw_samples(browsed_dataset(cfg, print), number, 0))


def test_added_boxes_are_told_from_real_ones(config):
    cfg = config(bank=config.bank, prob=1.0, checkpoint='not/there.pth')
    samples = samples_of(cfg)
    assert origins(samples) == dict(real=4, add=4)
    for sample in samples:
        assert sample.origins == ['real', 'add']
        assert sample.names[1] == 'scratch'
        # Flipped and enlarged as the image is.
        assert sample.image.shape == (2 * SIZE, 2 * SIZE, 3)
        x0, y0, x1, y1 = (round(v) for v in sample.corners[1].tolist())
        assert (x0, y0, x1, y1) == (30, 78, 50, 98)
        assert (sample.image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] == 255).all()


def test_a_priority_is_for_the_runner(config):
    cfg = config(bank=config.bank, prob=1.0, priority='LOW')
    assert 'add' in origins(samples_of(cfg))


def test_boxes_of_scenes_are_told_apart(config, tmp_path):
    cfg = config(scenes=make_scenes(tmp_path), scene_prob=1.0)
    assert origins(samples_of(cfg)) == dict(scene=12)


def test_without_the_hook_all_are_real(config, capsys):
    assert origins(samples_of(config())) == dict(real=4)
    assert 'real boxes only' in capsys.readouterr().out


def test_a_seed_draws_the_same_samples(config):
    cfg = config(bank=config.bank, prob=0.5)
    first, second = ([s.path for s in samples_of(cfg, 3)] for _ in range(2))
    assert first == second and len(set(first)) == 3


def test_pictures_show_the_boxes_in_their_colors():
    image = np.full((40, 60, 3), 128, np.uint8)
    corners = np.array([[5, 20, 25, 35.0], [30, 20, 50, 35]])
    picture = draw_sample(image, corners, ['a', 'b'], ['real', 'add'], 1)
    assert picture[34, 10].tolist() == [0x3C, 0x8C, 0x14]
    assert picture[34, 40].tolist() == [0xC8, 0x5A, 0x14]
    assert (image == 128).all()
    cells = [draw_cell(image, corners, ['a', 'b'], ['real', 'add'])] * 5
    assert draw_grid(cells, {}).shape == (2 * CELL + LEGEND, 4 * CELL, 3)


def run_tool(monkeypatch, *args):
    tool = shipped('tools') / 'browse_dataset.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, args)])
    runpy.run_path(str(tool), run_name='__main__')


def test_the_tool_writes_pictures(config, tmp_path, monkeypatch, capsys):
    cfg = config(bank=config.bank, prob=1.0)
    cfg.dump(tmp_path / 'tiny.py')
    out = tmp_path / 'out'
    run_tool(monkeypatch, tmp_path / 'tiny.py', '--out', out, '--num', '3')
    said = capsys.readouterr().out
    assert '3 samples; boxes: 3 real, 3 added, 0 replaced' in said
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 4 and names[-1] == 'sample_grid.png'
    grid = cv2.imread(str(out / 'sample_grid.png'))
    assert grid.shape == (CELL + LEGEND, 3 * CELL, 3)


def test_the_tool_takes_a_hook_as_an_option(
    config, tmp_path, monkeypatch, capsys
):
    config().dump(tmp_path / 'tiny.py')
    hook = f"dict(type='{HOOK}', bank='{config.bank}', prob=1.0)"
    args = ['--out', tmp_path / 'out', '--num', '2', '--cfg-options']
    for option in (
        [f'custom_hooks=[{hook}]'],
        [
            f'custom_hooks.0.{key}={value}'
            for key, value in dict(
                type=HOOK, bank=config.bank, prob=1.0
            ).items()
        ],
    ):
        run_tool(monkeypatch, tmp_path / 'tiny.py', *args, *option)
        said = capsys.readouterr().out
        assert '2 samples; boxes: 2 real, 2 added, 0 replaced' in said


@pytest.mark.parametrize(
    'args, message',
    [
        (['--num', '0'], '--num must be at least 1'),
        (['--cfg-options', 'custom_hooks.0.bank=none'], 'none is not there'),
    ],
)
def test_errors_are_one_line(
    config, tmp_path, monkeypatch, capsys, args, message
):
    config(bank=config.bank).dump(tmp_path / 'tiny.py')
    with pytest.raises(SystemExit) as error:
        run_tool(monkeypatch, tmp_path / 'tiny.py', *args)
    assert error.value.code == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith('error: ') and '\n' not in said
    assert message in said
