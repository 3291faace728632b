import pytest

from mmdet_ddpm_moco.utils import checks
from mmdet_ddpm_moco.utils.checks import check_arguments, prepare_output
from mmdet_ddpm_moco.utils.errors import InputError


def test_the_first_argument_out_of_range_is_named():
    values = dict(a=1, b='two', c=3)
    check_arguments(values, a=(True, 'in range'), b=(True, 'in range'))
    with pytest.raises(InputError, match=r"^b must be 2, got 'two'$"):
        check_arguments(values, a=(True, '1'), b=(False, '2'), c=(False, '4'))


def test_the_folder_of_an_output_is_made(tmp_path):
    prepare_output(tmp_path / 'new/deep/found.json', 'x.json')
    assert list((tmp_path / 'new/deep').iterdir()) == []


def test_an_output_that_is_there_already_stays(tmp_path):
    file = tmp_path / 'found.json'
    file.write_text('old')
    prepare_output(file, 'x.json')
    assert file.read_text() == 'old'


def test_a_folder_as_output_is_refused(tmp_path):
    with pytest.raises(InputError, match=r'is a folder; .*/x\.json$'):
        prepare_output(tmp_path, 'x.json')


@pytest.mark.parametrize('below', ['a.json', 'deep/a.json'])
def test_an_output_below_a_file_is_refused(tmp_path, below):
    (tmp_path / 'file').write_text('old')
    with pytest.raises(InputError, match='cannot be written') as error:
        prepare_output(tmp_path / 'file' / below, 'x.json')
    assert 'folder of yours' in str(error.value)


def test_an_output_in_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    # Said to be: nothing is read-only to root.
    monkeypatch.setattr(checks.os, 'access', lambda *_: False)
    with pytest.raises(InputError, match='it is read-only'):
        prepare_output(tmp_path / 'a.json', 'x.json')
