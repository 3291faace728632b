import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.mask_maker import exposures
from helpers.voc_maker import (
    by_name,
    listed,
    snapshot,
    write_list,
    write_lists,
)
from mmdet_ddpm_moco.conversion.formats import FORMATS
from mmdet_ddpm_moco.demo import plates

TOOL = Path(__file__).parents[2] / 'tools' / 'prepare_dataset.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the tool in this process: (exit code, stdout, stderr)."""
    spec = importlib.util.spec_from_file_location('prepare_dataset', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        code = 0
        try:
            tool.main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


def test_voc_converts_and_shows_a_table(run, src, tmp_path):
    dst = tmp_path / 'dst'
    (src / 'IMAGES/notes.txt').write_text('x')
    code, out, err = run(
        'voc', src, dst, '--ratio', '0.5', '0.2', '0.3', '--few-shot', '2',
        '1', '--seed', '3', '--classes', 'rust', 'dent', '--copy',
    )  # fmt: skip
    assert code in (0, None)
    assert err == ''
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[:5]}
    assert rows['rust'] == [
        part for n in (5, 2, 3, 1, 2, 0) for part in (f'{n}', '/', f'{n}')
    ]
    assert list(rows) == ['images', 'rust', 'dent', '(no', 'all']
    assert 'IMAGES/notes.txt' in out
    assert not (dst / 'images/dent_1.png').is_symlink()
    assert {path.name for path in (dst / 'annotations').iterdir()} == {
        'train.json', 'val.json', 'test.json', 'unlabeled.json',
        'train_1.json', 'train_2.json',
    }  # fmt: skip


def test_the_tool_starts_without_heavy_libraries(src, tmp_path):
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', TOOL, 'voc', src, tmp_path / 'd'],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
    assert 'cv2' in loaded
    heavy = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'scipy'}
    assert not heavy & loaded


def test_masks_convert_and_show_groups(run, tmp_path):
    tiles = exposures(tmp_path / 'src', range(1, 9), (0.5, 0.8, 1.1))
    dst = tmp_path / 'dst'
    code, out, err = run(
        'masks', tiles, dst, '--group-by', r'num_(\d+)', '--ratio', '0.5',
        '0.25', '0.25', '--few-shot', '4', '--few-shot-groups', '0.25',
        '--min-area', '200',
    )  # fmt: skip
    assert code in (0, None)
    assert err == ''
    lines = [' '.join(line.split()) for line in out.splitlines()]
    assert 'all 12 / 12 6 / 6 6 / 6 4 / 4 0 / 0' in lines
    assert 'all 4 2 2 2 0' in lines
    code, out, err = run('masks', tiles, dst, '--min-area', '201')
    assert code in (0, None)
    assert '24 speck' in out


def test_classes_are_renamed(run, src, tmp_path):
    table = tmp_path / 'names.txt'
    table.write_text('rust=corrosion\n')
    code, out, err = run(
        'voc', src, tmp_path / 'dst', '--rename', 'dent=dint', table
    )
    assert code in (0, None)
    assert err == ''
    shown = [line.split()[0] for line in out.splitlines()[:3]]
    assert shown == ['images', 'corrosion', 'dint']
    code, out, err = run('voc', src, tmp_path / 'new', '--rename', 'nowhere')
    assert (code, out) == (1, '')
    assert 'cannot read nowhere' in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize('name', FORMATS)
def test_each_format_has_a_command_and_help(run, name):
    code, out, _ = run(name, '--help')
    assert code == 0
    for text in ('SRC/', '--resplit', '--rename', 'unlabeled.json'):
        assert text in out


def test_strict_shows_the_findings_and_fails(run, src, tmp_path):
    (src / 'IMAGES/notes.txt').write_text('x')
    code, out, err = run('voc', src, tmp_path / 'dst', '--strict')
    assert code == 1
    assert 'IMAGES/notes.txt' in out
    assert len(err.splitlines()) == 1
    assert not (tmp_path / 'dst').exists()


def test_grouping_can_be_switched_off(run, src, tmp_path):
    assert 'not searched for' not in run('voc', src, tmp_path / 'dst')[1]
    out = run('voc', src, tmp_path / 'd', '--no-group-near-duplicates')[1]
    assert 'not searched for' in out


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('voc', 'nowhere', 'dst'), 'not a folder'),
        (('voc', 'empty', 'dst'), 'looked for'),
        (('voc', 'src', 'dst', '--ratio', '0.9', '0.9', '0.9'), 'sum 1'),
        (('voc', 'src', 'dst', '--few-shot', '500'), 'few-shot 500'),
        (('voc', 'src', 'src/IMAGES/dent_1.png'), 'cannot write'),
        (('masks', 'src', 'dst'), 'no masks'),
        (('voc', 'src', 'dst', '--group-by', r'num_(\d+)'), 'not found in'),
        (('voc', 'src', 'dst', '--group-by', 'dent'), 'parentheses'),
        (('voc', 'src', 'dst', '--few-shot-groups', '0'), 'above 0'),
        (('demo', 'dst', '--seed', '-1'), 'seed'),
    ],
)
def test_mistakes_are_one_line(run, src, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    before = snapshot(tmp_path)
    code, out, err = run(*args)
    assert code == 1
    assert out == ''
    assert len(err.splitlines()) == 1
    assert message in err
    assert snapshot(tmp_path) == before


def test_help_says_what_happens_to_given_splits(run):
    code, out, _ = run('voc', '--help')
    assert code == 0
    assert 'is kept, unless --resplit, --ratio or --lists is given' in (
        ' '.join(out.split())
    )
    assert '--no-group-near-duplicates' in out
    assert '--min-area' not in out


def test_help_says_what_a_folder_of_masks_looks_like(run):
    code, out, _ = run('masks', '--help')
    assert code == 0
    for text in ('MT_Crack/Imgs/7.jpg', 'no_defect', '--group-by', r'(\d+)'):
        assert text in out
    # Of the format that argparse fills in, nothing is left.
    assert '%' not in out and '{' not in out


def test_demo_makes_the_demo_set(run, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        plates, 'make_demo_set', lambda *args: made.append(args)
    )
    code, out, _ = run('demo', tmp_path / 'demo', '--seed', '4')
    assert code in (0, None)
    assert made == [(tmp_path / 'demo', 4)]
    assert str(tmp_path / 'demo') in out


def test_tool_takes_lists(run, src, tmp_path):
    lists, dst = write_lists(tmp_path / 'lists'), tmp_path / 'dst'
    code, out, err = run('voc', src, dst, '--lists', lists)
    assert code in (0, None)
    assert err == ''
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[:5]}
    assert rows['all'][::3] == ['12', '4', '4', '0']
    assert list(by_name(dst, 'val')) == listed('val')


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('--lists', 'lists', '--ratio', '0.7', '0.1', '0.2'), 'exclude'),
        (('--lists', 'lists', '--resplit'), 'resplit and lists exclude'),
        (('--lists', 'nowhere'), 'not a folder'),
        (('--lists', 'src'), 'train.txt is missing'),
        (('--lists', 'wrong'), 'no readable image'),
    ],
)
def test_wrong_lists_are_one_line(
    run, src, tmp_path, monkeypatch, args, message
):
    monkeypatch.chdir(tmp_path)
    write_lists(tmp_path / 'lists')
    write_list(tmp_path / 'wrong', 'train', 'dent_1', 'nobody')
    code, out, err = run('voc', 'src', 'dst', *args)
    assert (code, out) == (1, '')
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / 'dst').exists()
