import argparse
import io
import os
import pickle
from collections import Counter, OrderedDict

import pytest
import torch

from helpers.attack import Attack, save_pickle, save_script, save_tar
from helpers.tiny_runs import TinyDetector, make_runner, resnet
from mmdet_ddpm_moco.checkpoints import weights_only
from mmdet_ddpm_moco.checkpoints.restricted_unpickler import Unpickler
from mmdet_ddpm_moco.checkpoints.weights_only import (
    load_weights_only,
    weights_of,
)

TORCH_IS_SAFE = weights_only._TORCH_IS_SAFE


@pytest.fixture(
    autouse=True, params=[False, True] if TORCH_IS_SAFE else [False]
)
def torch_reads(request, monkeypatch):
    """Each test runs with our reader, and with torch's from 2.6 on."""
    monkeypatch.setattr(weights_only, '_TORCH_IS_SAFE', request.param)
    return request.param


@pytest.fixture
def run_checkpoint(tmp_path):
    """A checkpoint of a run with all that usually goes into one."""
    runner = make_runner(
        TinyDetector(resnet()),
        tmp_path / 'run',
        [dict(type='EMAHook')],
        param_scheduler=[dict(type='LinearLR', by_epoch=False, end=3)],
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
    )
    runner.train()
    return tmp_path / 'run' / 'epoch_1.pth'


def test_a_checkpoint_of_the_runner_is_read(run_checkpoint):
    unsafe = torch.load(run_checkpoint, weights_only=False)
    loaded = load_weights_only(run_checkpoint)
    assert set(loaded) == set(unsafe)
    assert loaded['meta']['epoch'] == 1
    weights = weights_of(loaded, run_checkpoint)
    assert set(weights) == set(unsafe['state_dict'])
    for key, value in unsafe['state_dict'].items():
        assert torch.equal(weights[key], value)


@pytest.mark.skipif(not TORCH_IS_SAFE, reason='torch < 2.6 keeps no list')
def test_names_that_the_process_allowed_are_restored(run_checkpoint):
    serialization = torch.serialization
    before = serialization.get_safe_globals()
    serialization.add_safe_globals([argparse.Namespace])
    try:
        load_weights_only(run_checkpoint)
        torch.save(dict(x=argparse.Namespace(a=1)), run_checkpoint)
        with pytest.raises(ValueError, match=r'argparse\.Namespace'):
            load_weights_only(run_checkpoint)
        after = serialization.get_safe_globals()
        assert set(after) == {*before, argparse.Namespace}
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


@pytest.mark.parametrize('zipped', [True, False])
def test_code_is_refused_and_not_run(tmp_path, zipped):
    attack = Attack(tmp_path / 'made')
    content = dict(state_dict=dict(a=torch.ones(1)), extra=attack)
    torch.save(
        content,
        tmp_path / 'a.pth',
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(ValueError, match=r'refused.*mkdir') as error:
        load_weights_only(tmp_path / 'a.pth')
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'made').exists()
    # The attack is a real one.
    torch.load(tmp_path / 'a.pth', weights_only=False)
    assert (tmp_path / 'made').exists()


def test_code_of_a_script_is_refused_and_not_run(tmp_path):
    path, made = tmp_path / 'a.pth', tmp_path / 'made'
    save_script(path, made)
    with pytest.raises(ValueError, match=r'a\.pth is refused') as error:
        load_weights_only(path)
    assert '\n' not in str(error.value)
    assert not made.exists()
    torch.jit.load(path)
    assert made.exists()


def test_the_oldest_format_is_refused_and_not_run(tmp_path):
    path, made = tmp_path / 'a.pth', tmp_path / 'made'
    save_tar(path, pickle.dumps(Attack(made), 2))
    with pytest.raises(ValueError, match=r'a\.pth is refused'):
        load_weights_only(path)
    assert not made.exists()
    torch.load(path, weights_only=False)
    assert made.exists()
    save_tar(path, pickle.dumps(dict(a=1), 2))
    with pytest.raises(ValueError, match=r'a\.pth is refused'):
        load_weights_only(path)


_PARAMETER = b'ctorch.nn.parameter\nParameter\n'
_FUNCTION = b'ctorch._utils\n_rebuild_tensor_v2\n'
_STAND_IN = b'c__builtin__\ngetattr\n)R'
_BYTES = b'c__builtin__\nbytearray\n(K\x01K\x02t\x85R'
_A = b'X\x01\x00\x00\x00a'
_EMPTY = b'X\x00\x00\x00\x00'


@pytest.mark.parametrize(
    'attack',
    [
        pytest.param(b'\x8c\x02os\x8c\x05mkdir\x93', id='stack_global'),
        pytest.param(b'(ios\nmkdir\n', id='inst'),
        pytest.param(b'(ccollections\nOrderedDict\no', id='obj'),
        pytest.param(_STAND_IN[:-2] + b')}\x92', id='newobj_ex'),
        pytest.param(b'\x82\x01', id='ext1'),
        pytest.param(b'cnumpy\nload\n' + _A + b'\x85R', id='global'),
        pytest.param(_PARAMETER + b'}' + _A + b'K\x01sb', id='build class'),
        pytest.param(_FUNCTION + b'}' + _A + b'K\x01sb', id='build function'),
        pytest.param(b'}}' + _A + b'K\x01sb', id='build dict'),
        pytest.param(_STAND_IN + b')R', id='call instance'),
        pytest.param(_A + b')R', id='call string'),
        pytest.param(_FUNCTION + b')\x81', id='newobj function'),
        pytest.param(_STAND_IN + b')\x81', id='newobj instance'),
        pytest.param(_BYTES + b'K\x03a', id='append'),
        pytest.param(_BYTES + b'(K\x03e', id='appends'),
        pytest.param(_BYTES + b'K\x00K\x03s', id='setitem'),
        pytest.param(_BYTES + b'(K\x00K\x03u', id='setitems'),
        pytest.param(b'Pstorage\n', id='persid'),
        pytest.param(
            b'(X\x06\x00\x00\x00module' + _PARAMETER + 2 * _EMPTY + b'tQ',
            id='persistent class',
        ),
    ],
)
def test_instructions_that_weights_do_not_need_are_refused(tmp_path, attack):
    content = b'\x80\x02}' + _A + attack + b's.'
    save_pickle(tmp_path / 'a.pth', content)
    with pytest.raises(ValueError, match=r'a\.pth is refused'):
        load_weights_only(tmp_path / 'a.pth')
    assert not hasattr(torch.nn.Parameter, 'a')
    assert not hasattr(torch._utils._rebuild_tensor_v2, 'a')


@pytest.mark.parametrize(
    'found, code',
    [
        (os.mkdir, b'ca\nb\n' + _A + b'\x85R.'),  # a call
        (Attack, b'ca\nb\n' + _A + b'\x85\x81.'),  # a new object
        (Attack('a'), b'ca\nb\n}' + _A + b'K\x01sb.'),  # its attributes
    ],
)
def test_names_are_not_the_only_guard(tmp_path, monkeypatch, found, code):
    """torch looks some names up itself before it asks our unpickler."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Unpickler, 'find_class', lambda *_: found)
    with pytest.raises(pickle.UnpicklingError, match='expected'):
        Unpickler(io.BytesIO(code)).load()
    assert not (tmp_path / 'a').exists()


def test_bytes_are_written_in_one_encoding():
    code = b'c_codecs\nencode\n' + _A + b'X\x05\x00\x00\x00rot13\x86R.'
    with pytest.raises(pickle.UnpicklingError, match='latin1'):
        Unpickler(io.BytesIO(code)).load()


def test_a_pickle_made_by_hand_is_read(tmp_path):
    """Those above are refused for what they hold, not for their format."""
    content = b'\x80\x02}' + _A + _BYTES + b's.'
    save_pickle(tmp_path / 'a.pth', content)
    loaded = load_weights_only(tmp_path / 'a.pth')
    assert loaded == dict(a=bytearray([1, 2]))


@pytest.mark.parametrize('zipped', [True, False])
def test_what_weights_files_hold_is_read_unchanged(tmp_path, zipped):
    kinds = [torch.bool, torch.uint8, torch.int64, torch.half]
    kinds += [torch.bfloat16, torch.float64, torch.complex64]
    content = dict(
        tensors=[torch.ones(2, 3).to(dtype) for dtype in kinds],
        view=torch.arange(6.0).view(2, 3).t()[1:],
        sparse=torch.eye(3).to_sparse(),
        parameter=torch.nn.Parameter(torch.ones(2)),
        ordered=OrderedDict(a=1),
        plain=[None, True, 3, -(2**70), 0.5, 1j, 'ä', b'\xff\x00', ('a',)],
        more=[bytearray(b'ab'), {1, 2}, torch.Size([2, 3]), torch.float16],
        counter=Counter('aab'),
        device=torch.device('cpu'),
    )
    file = tmp_path / 'a.pth'
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    loaded = load_weights_only(file)
    assert repr(loaded) == repr(content)
    assert type(loaded['parameter']) is torch.nn.Parameter
    assert loaded['view'].stride() == content['view'].stride()


def test_getattr_of_a_checkpoint_reaches_nothing(tmp_path):
    class Reach:
        def __reduce__(self):
            return getattr, (torch.Tensor, '__dict__')

    torch.save(dict(a=torch.ones(1), reach=Reach()), tmp_path / 'a.pth')
    loaded = load_weights_only(tmp_path / 'a.pth')
    assert not hasattr(loaded['reach'], 'keys')
    reach = loaded['reach']
    assert vars(reach) == dict(args=(torch.Tensor, '__dict__'), state=None)


@pytest.mark.parametrize(
    'content', [b'', b'no checkpoint', pickle.dumps({'a': 1}), b'PK\x03\x04']
)
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / 'a.pth'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.pth is refused') as error:
        load_weights_only(path)
    assert '\n' not in str(error.value)
    assert 'weights_only' not in str(error.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(1000)), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match='cut short'):
        load_weights_only(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth is not there'):
        load_weights_only(tmp_path / 'none.pth')
    with pytest.raises(FileNotFoundError, match='downloaded'):
        load_weights_only('https://example.org/a.pth')


def test_no_dict_and_no_weights(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(torch.ones(1), path)
    with pytest.raises(ValueError, match='holds a Tensor'):
        load_weights_only(path)
    with pytest.raises(ValueError, match=r'a.pth holds no weights.*epoch'):
        weights_of(dict(epoch=1, state_dict={}), path)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda w: w,
        lambda w: dict(state_dict=w, queue=torch.ones(1)),
        lambda w: dict(model=w, epoch=3),
        lambda w: dict(model_state_dict=w),
    ],
)
def test_weights_are_found_in_their_container(wrap):
    weights = dict(a=torch.ones(1), b=torch.nn.Parameter(torch.ones(2)))
    found = weights_of(wrap(weights), 'x')
    assert set(found) == {'a', 'b'}
    assert not found['b'].requires_grad
