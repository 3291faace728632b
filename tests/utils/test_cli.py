"""What the tools share: errors in one line, launcher options, configs."""

import argparse
import json
import os
import signal
import subprocess
import sys
import traceback

import numpy as np
import pytest
from mmengine.registry import DATASETS, MODELS
from torch.utils.data import DataLoader, Dataset

from mmdet_ddpm_moco.bank.compositing import composite
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.defect_window_dataset import DefectWindowDataset
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.utils import paths
from mmdet_ddpm_moco.utils.cli import (
    add_launcher,
    one_line_errors,
    set_local_rank,
)
from mmdet_ddpm_moco.utils.fileio import json_bytes
from mmdet_ddpm_moco.utils.paths import find_config, shipped
from mmdet_ddpm_moco.utils.requirements import check_module


def missing_annotations():
    DefectWindowDataset('none.json', '.')


def wrong_value():
    DiffusionDefectAugment('none', prob=2)


def missing_library():
    check_module('mmpretrain')


@pytest.fixture
def no_mmpretrain(monkeypatch):
    from mmdet_ddpm_moco.utils import requirements

    monkeypatch.setattr(requirements, 'find_spec', lambda name: None)


def line_of(function, capsys) -> str:
    """The only line that a tool prints before it ends with exit code 1."""
    with pytest.raises(SystemExit) as e:
        one_line_errors(function)()
    assert e.value.code == 1
    out, err = capsys.readouterr()
    assert out == '' and err.count('\n') == 1
    return err


OURS = pytest.mark.parametrize(
    'function, text',
    [
        (missing_annotations, 'no annotations at none.json'),
        (wrong_value, 'prob must be in [0, 1], got 2'),
        (missing_library, 'needs mmpretrain>='),
    ],
)


@pytest.mark.usefixtures('no_mmpretrain')
class TestOurErrors:
    @OURS
    def test_one_line_and_exit_code_1(self, capsys, function, text):
        line = line_of(function, capsys)
        assert line.startswith('error: ') and text in line

    @OURS
    def test_wrapped_as_mmengines_builders_do(self, capsys, function, text):
        def main():
            try:
                function()
            except Exception as error:
                raise type(error)(f'class `X` in x.py: {error}')  # noqa: B904

        line = line_of(main, capsys)
        assert line.startswith('error: ') and text in line
        assert 'class `X`' not in line

    @OURS
    @pytest.mark.parametrize('kind', [OSError, ValueError, RuntimeError])
    def test_wrapped_in_another_error(self, capsys, function, text, kind):
        def main():
            try:
                try:
                    function()
                except Exception as error:
                    raise ValueError('inner') from error
            except ValueError as error:
                raise kind('outer') from error

        assert text in line_of(main, capsys)

    def test_built_by_mmengine(self, capsys):
        config = dict(
            type='DefectWindowDataset', ann_file='none.json', img_prefix='.'
        )
        line = line_of(lambda: DATASETS.build(config), capsys)
        assert 'no annotations at none.json' in line

    def test_a_dotted_type_whose_library_is_missing(self, capsys):
        config = dict(type='mmdet_ddpm_moco.DatasetMoCo')
        line = line_of(lambda: MODELS.build(config), capsys)
        assert 'needs mmpretrain>=' in line

    def test_a_dotted_type_that_does_not_exist(self):
        config = dict(type='mmdet_ddpm_moco.engine.NoSuchThing')
        with pytest.raises(KeyError, match='NoSuchThing'):
            one_line_errors(lambda: MODELS.build(config))()

    def test_raised_in_a_worker_of_a_data_loader(self, capsys):
        loader = DataLoader(_Damaged(), num_workers=1)
        line = line_of(lambda: list(loader), capsys)
        assert 'no annotations at none.json' in line

    def test_a_damaged_bank(self, capsys, tmp_path):
        manifest = dict(format_version=1, classes=['a'], kept=3)
        (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
        (tmp_path / 'index.npy').write_bytes(b'garbage')
        line = line_of(lambda: DefectBank(tmp_path), capsys)
        assert 'make the bank again' in line


class _Damaged(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return missing_annotations()


class TestOtherErrors:
    def raised(self, function, kind, capsys) -> BaseException:
        """Checks that an error passes through as it is."""
        with pytest.raises(kind) as e:
            one_line_errors(function)()
        assert type(e.value) is kind
        assert capsys.readouterr() == ('', '')
        return e.value

    @pytest.mark.parametrize(
        'function, kind',
        [
            (lambda: int('x'), ValueError),
            (lambda: json.loads('{'), json.JSONDecodeError),
            (lambda: os.stat('/no/such/file'), FileNotFoundError),  # noqa: PTH116
            (lambda: {}['x'], KeyError),
            (lambda: 1 / 0, ZeroDivisionError),
        ],
    )
    def test_a_foreign_error_keeps_its_traceback(self, capsys, function, kind):
        error = self.raised(function, kind, capsys)
        frames = traceback.extract_tb(error.__traceback__)
        assert '<lambda>' in [frame.name for frame in frames]

    def test_a_foreign_error_called_from_this_package(self, capsys):
        self.raised(lambda: json_bytes(object()), TypeError, capsys)

    def test_a_bug_in_this_package_keeps_its_traceback(self, capsys):
        # numpy raises it, in C: the last frame is that of composite().
        ground, other = np.zeros((2, 2), np.uint8), np.zeros((3, 3), np.uint8)
        self.raised(
            lambda: composite(ground, other, ground), ValueError, capsys
        )

    def test_an_error_of_another_kind_from_this_package(self, capsys):
        self.raised(
            lambda: composite(None, None, None), AttributeError, capsys
        )

    def test_a_bug_while_one_of_ours_is_handled(self, capsys):
        def main():
            try:
                missing_annotations()
            except FileNotFoundError:
                int('x')

        assert 'invalid literal' in str(self.raised(main, ValueError, capsys))

    def test_no_error_and_other_exits(self, capsys):
        calls = []
        one_line_errors(lambda: calls.append(1))()
        assert calls == [1]

        def leave():
            raise SystemExit(3)

        with pytest.raises(SystemExit) as e:
            one_line_errors(leave)()
        assert e.value.code == 3
        assert capsys.readouterr() == ('', '')

    def test_the_name_of_the_wrapped_function_stays(self):
        assert one_line_errors(missing_library).__name__ == 'missing_library'


READ_IN_PART = """
from mmdet_ddpm_moco.utils.cli import one_line_errors
@one_line_errors
def main():
    for i in range(10**6):
        print(i)
main()
"""


def test_a_reader_that_has_seen_enough_is_no_error():
    """As with `| head -1`."""
    with subprocess.Popen(
        [sys.executable, '-c', READ_IN_PART],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as done:
        assert done.stdout.readline() == b'0\n'
        done.stdout.close()
        assert done.stderr.read() == b''
    assert done.returncode == 128 + signal.SIGPIPE


def test_another_pipe_that_breaks_keeps_its_traceback(capsys):
    @one_line_errors
    def main():
        raise BrokenPipeError('of a worker')

    with pytest.raises(BrokenPipeError, match='of a worker'):
        main()


class TestLauncher:
    @pytest.fixture
    def parser(self):
        parser = argparse.ArgumentParser()
        add_launcher(parser)
        return parser

    def test_defaults(self, parser, monkeypatch):
        monkeypatch.delenv('LOCAL_RANK', raising=False)
        args = parser.parse_args([])
        assert args.launcher == 'none'
        set_local_rank(args)
        assert os.environ['LOCAL_RANK'] == '0'

    @pytest.mark.parametrize('option', ['--local_rank', '--local-rank'])
    def test_both_spellings(self, parser, monkeypatch, option):
        monkeypatch.setenv('LOCAL_RANK', '')
        monkeypatch.delenv('LOCAL_RANK')
        set_local_rank(parser.parse_args([f'{option}=3']))
        assert os.environ['LOCAL_RANK'] == '3'

    def test_torchruns_own_setting_wins(self, parser, monkeypatch):
        monkeypatch.setenv('LOCAL_RANK', '2')
        set_local_rank(parser.parse_args(['--launcher', 'pytorch']))
        assert os.environ['LOCAL_RANK'] == '2'

    def test_an_unknown_launcher(self, parser, capsys):
        with pytest.raises(SystemExit) as e:
            parser.parse_args(['--launcher', 'x'])
        assert e.value.code == 2
        assert 'slurm' in capsys.readouterr().err


class TestConfigs:
    @pytest.fixture
    def places(self, tmp_path, monkeypatch):
        """The current folder, that of the config, that of the package."""
        places = [tmp_path / name for name in ('here', 'beside', 'checkout')]
        package = tmp_path / 'checkout' / 'mmdet_ddpm_moco'
        for folder in (*places, package):
            folder.mkdir()
        (tmp_path / 'checkout' / 'configs').mkdir()
        monkeypatch.setattr(paths, '_PACKAGE', package)
        monkeypatch.chdir(places[0])
        places[2] /= 'configs'
        return places

    def test_places_are_tried_in_order(self, places):
        beside = places[1] / 'detector.py'
        for folder in reversed(places):
            (folder / 'x.py').touch()
            found = find_config('x.py', beside)
            assert found.resolve() == folder / 'x.py'

    def test_an_absolute_path(self, places, tmp_path):
        (tmp_path / 'x.py').touch()
        for folder in places:
            (folder / 'x.py').touch()
        name = str(tmp_path / 'x.py')
        assert find_config(name, places[1] / 'y.py') == tmp_path / 'x.py'

    def test_it_is_nowhere(self, places):
        with pytest.raises(FileNotFoundError, match=r'no config x\.py') as e:
            find_config('x.py', places[1] / 'y.py')
        assert str(places[1] / 'x.py') in str(e.value)
        assert str(places[2] / 'x.py') in str(e.value)

    def test_a_folder_is_no_config(self, places):
        (places[0] / 'x.py').mkdir()
        (places[2] / 'x.py').touch()
        assert find_config('x.py') == places[2] / 'x.py'

    def test_installed_files_come_before_those_of_a_checkout(self, places):
        assert shipped('configs') == places[2]
        installed = paths._PACKAGE / '.mim' / 'configs'
        installed.mkdir(parents=True)
        assert shipped('configs') == installed

    def test_the_real_ones(self):
        assert (shipped('configs') / 'faster_rcnn_ddpm_moco.py').is_file()
        assert (shipped('tools') / 'train.py').is_file()
