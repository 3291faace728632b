import argparse
import pickle

import pytest
import torch

from helpers.attack import Attack
from helpers.tiny_runs import TinyDetector, make_runner, resnet
from mmdet_ddpm_moco.checkpoints.weights_only import (
    load_weights_only,
    weights_of,
)


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


def test_old_torch_names_the_version_needed(
    run_checkpoint, tmp_path, monkeypatch
):
    monkeypatch.delattr(torch.serialization, 'add_safe_globals')
    with pytest.raises(ValueError, match=r'torch 2\.4 or newer'):
        load_weights_only(run_checkpoint)
    torch.save(dict(a=torch.ones(2)), tmp_path / 'plain.pth')
    assert load_weights_only(tmp_path / 'plain.pth')['a'].sum() == 2


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
