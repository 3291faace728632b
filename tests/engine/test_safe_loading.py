"""MMEngine's own loading of local files, in tools/train.py."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local

from helpers.attack import Attack
from helpers.tiny_runs import KeepStartHook, random_weights, resnet
from mmdet_ddpm_moco.engine.safe_loading import (
    check_checkpoint,
    load_from_local_weights_only,
    weights_only_loading,
)
from mmdet_ddpm_moco.engine.training import train

MODEL = dict(
    type='TinyDetector',
    backbone=dict(
        type='mmdet.ResNet', depth=18, base_channels=8, norm_eval=False
    ),
)


def config(work_dir, epochs=1, **changes):
    loader = dict(
        dataset=dict(type='TinyImages'),
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    return Config(
        dict(
            default_scope='mmengine',
            model=MODEL,
            work_dir=str(work_dir),
            train_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=1e-3, momentum=0.9)
            ),
            param_scheduler=[dict(type='LinearLR', by_epoch=False, end=9)],
            default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
            custom_hooks=[dict(type='KeepStartHook')],
            randomness=dict(seed=0),
            experiment_name=f'safe{next(_names)}',
            **changes,
        )
    )


_names = iter(range(10**6))


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of MMEngine's after one epoch."""
    train(config(tmp_path / 'first'))
    return tmp_path / 'first' / 'epoch_1.pth'


def attacked(path, target, folder):
    """Adds code to a good checkpoint."""
    content = torch.load(path, weights_only=False)
    content['message_hub']['runtime_info']['extra'] = Attack(folder)
    torch.save(content, target)
    return str(target)


def test_what_it_loads_is_what_mmengine_loads(checkpoint):
    unsafe = torch.load(checkpoint, weights_only=False)
    loaded = load_from_local_weights_only(str(checkpoint))
    assert set(loaded) == set(unsafe)
    for key, value in unsafe['state_dict'].items():
        assert torch.equal(loaded['state_dict'][key], value)
    assert loaded['state_dict']._metadata == unsafe['state_dict']._metadata
    assert loaded['meta'] == unsafe['meta']
    assert loaded['param_schedulers'] == unsafe['param_schedulers']
    scalars = loaded['message_hub']['log_scalars']
    expected = unsafe['message_hub']['log_scalars']
    assert set(scalars) == set(expected)
    assert 'train/loss' in scalars
    for name, history in expected.items():
        assert type(scalars[name]) is HistoryBuffer
        for found, wanted in zip(scalars[name].data, history.data):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
        assert scalars[name].max_length == history.max_length
        assert scalars[name].mean(1) == history.mean(1)
    info = loaded['message_hub']['runtime_info']
    assert repr(info) == repr(unsafe['message_hub']['runtime_info'])


@pytest.mark.parametrize(
    'value',
    [
        np.float64(0.25),
        np.float32(1.5),
        np.int64(-7),
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([], dtype=np.float32),
        np.array([True, False]),
    ],
)
def test_numbers_of_numpy_come_back(tmp_path, value):
    torch.save(dict(a=[(value,)]), tmp_path / 'a.pth')
    (found,) = load_from_local_weights_only(str(tmp_path / 'a.pth'))['a'][0]
    assert type(found) is type(value)
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(
    'value',
    [
        np.array(['a'], dtype=object),
        np.array(['text']),
        np.datetime64('2024-01-01'),
    ],
)
def test_other_arrays_are_refused_in_one_line(tmp_path, value):
    torch.save(dict(a=value), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'a\.pth is refused') as error:
        load_from_local_weights_only(str(tmp_path / 'a.pth'))
    assert '\n' not in str(error.value)


def test_a_checkpoint_that_holds_itself_ends(tmp_path):
    content = dict(state_dict={}, more=[])
    content['more'].append(content)
    torch.save(content, tmp_path / 'a.pth')
    loaded = load_from_local_weights_only(str(tmp_path / 'a.pth'))
    assert loaded['more'][0] is loaded


@pytest.mark.parametrize('by_name', [True, False])
def test_a_resumed_run_is_the_run_that_was_not_stopped(
    checkpoint, tmp_path, by_name
):
    train(config(tmp_path / 'whole', epochs=2))
    whole = torch.load(tmp_path / 'whole' / 'epoch_2.pth', weights_only=False)
    work_dir = tmp_path / ('second' if by_name else 'first')
    load_from = str(checkpoint) if by_name else None
    train(config(work_dir, epochs=2, resume=True, load_from=load_from))
    resumed = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    for key, value in whole['state_dict'].items():
        assert torch.equal(resumed['state_dict'][key], value), key
    losses = [
        c['message_hub']['log_scalars']['train/loss'].data[0].tolist()
        for c in (whole, resumed)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4


@pytest.mark.parametrize('resume', [True, False])
def test_code_in_load_from_is_not_run(checkpoint, tmp_path, resume):
    made = tmp_path / 'made'
    file = attacked(checkpoint, tmp_path / 'untrusted.pth', made)
    cfg = config(tmp_path / 'work', load_from=file, resume=resume)
    KeepStartHook.start = None
    with pytest.raises(
        ValueError, match=r'untrusted.*refused.*mkdir'
    ) as error:
        check_checkpoint(cfg)
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match=r'untrusted.*refused.*mkdir'):
        train(cfg)
    assert not made.exists()
    # MMEngine by itself would have run it.
    load_from_local(file, 'cpu')
    assert made.exists()


def test_code_in_the_work_folder_is_not_run(checkpoint, tmp_path):
    made = tmp_path / 'made'
    attacked(checkpoint, checkpoint, made)
    with pytest.raises(ValueError, match=r'epoch_1.*refused.*mkdir'):
        train(config(tmp_path / 'first', epochs=2, resume=True))
    assert not made.exists()


def test_code_in_a_pretrained_is_not_run(checkpoint, tmp_path):
    made = tmp_path / 'made'
    file = attacked(checkpoint, tmp_path / 'untrusted.pth', made)
    cfg = config(tmp_path / 'work')
    cfg.model.init_cfg = dict(type='Pretrained', checkpoint=file)
    with pytest.raises(ValueError, match=r'untrusted.*refused.*mkdir'):
        train(cfg)
    assert not made.exists()


def test_weights_of_load_from_are_the_start(tmp_path):
    weights = random_weights(resnet())
    state_dict = {f'backbone.{k}': v for k, v in weights.items()}
    torch.save(dict(state_dict=state_dict), tmp_path / 'a.pth')
    train(config(tmp_path / 'work', load_from=str(tmp_path / 'a.pth')))
    for key, value in weights.items():
        assert torch.equal(KeepStartHook.start[key], value), key


def test_a_url_goes_to_its_own_loader(tmp_path, monkeypatch):
    """Without a network: the loader that is called is recorded."""
    asked = []

    def load_from_http(filename, map_location=None):
        asked.append(filename)
        return dict(state_dict={})

    address = 'https://example.org/a.pth'
    monkeypatch.setitem(CheckpointLoader._schemes, 'https://', load_from_http)
    cfg = config(tmp_path / 'work', load_from=address)
    check_checkpoint(cfg)
    assert asked == []
    train(cfg)
    assert asked == [address]


def test_a_missing_file_is_reported_before_anything_runs(tmp_path):
    cfg = config(tmp_path / 'work', load_from=str(tmp_path / 'none.pth'))
    with pytest.raises(FileNotFoundError, match=r'none\.pth is not there'):
        check_checkpoint(cfg)
    assert not (tmp_path / 'work').exists()


def test_mmengines_loader_is_back_afterwards(tmp_path):
    with pytest.raises(KeyError), weights_only_loading():
        assert CheckpointLoader._schemes[''] is load_from_local_weights_only
        raise KeyError
    assert CheckpointLoader._schemes[''] is load_from_local
