import argparse
import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS

from helpers.tiny_detection import write_images
from mmdet_ddpm_moco.engine.options import apply_options, check_data


def options(**changes):
    values = dict(
        config='configs/demo/some_detector.py',
        launcher='none',
        work_dir=None,
        cfg_options=None,
        amp=False,
        auto_scale_lr=False,
        resume=None,
    )
    return argparse.Namespace(**{**values, **changes})


def config(**changes):
    settings = dict(
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.1),
            clip_grad=dict(max_norm=1.0),
        ),
        train_cfg=dict(max_epochs=3),
    )
    return Config({**settings, **changes})


@pytest.mark.parametrize(
    ('own', 'given', 'expected'),
    [
        (None, None, 'work_dirs/some_detector'),
        ('mine', None, 'mine'),
        ('mine', 'given', 'given'),
        (None, 'given', 'given'),
    ],
)
def test_the_work_dir(own, given, expected):
    cfg = config() if own is None else config(work_dir=own)
    assert apply_options(cfg, options(work_dir=given)) is cfg
    assert Path(cfg.work_dir) == Path(expected)


def test_settings_of_the_command_line_win():
    cfg = config(work_dir='own')
    given = {
        'train_cfg.max_epochs': 7,
        'optim_wrapper.optimizer.lr': 0.5,
        'work_dir': 'by-option',
        'new.part': [1, 2],
    }
    apply_options(cfg, options(cfg_options=given))
    assert cfg.train_cfg.max_epochs == 7
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.5)
    assert cfg.work_dir == 'by-option'
    assert cfg.new.part == [1, 2]
    apply_options(cfg, options(cfg_options=given, work_dir='by-flag'))
    assert cfg.work_dir == 'by-flag'


@pytest.mark.parametrize(
    ('resume', 'begun', 'expected'),
    [
        (None, True, (False, 'weights.pth')),
        # The weights that the config names are not forgotten.
        ('auto', True, (True, 'weights.pth')),
        ('auto', False, (False, 'weights.pth')),
        ('run/epoch_3.pth', False, (True, 'run/epoch_3.pth')),
    ],
)
def test_resume(tmp_path, resume, begun, expected):
    if begun:
        (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
        (tmp_path / 'epoch_2.pth').touch()
    cfg = config(load_from='weights.pth', resume=False, work_dir=str(tmp_path))
    apply_options(cfg, options(resume=resume))
    assert (cfg.resume, cfg.load_from) == expected


def test_an_option_that_was_not_given_changes_nothing():
    cfg = config(work_dir='w')
    before = cfg.to_dict()
    apply_options(cfg, options())
    assert cfg.to_dict() == {**before, 'launcher': 'none'}


def test_the_options_of_a_test_run_are_fewer():
    args = options(work_dir='w')
    for name in ('amp', 'auto_scale_lr', 'resume'):
        delattr(args, name)
    assert apply_options(config(), args).work_dir == 'w'


def build_wrapper(cfg):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    settings = dict(cfg.optim_wrapper, optimizer=optimizer)
    settings.pop('constructor', None)
    return OPTIM_WRAPPERS.build(settings)


@pytest.mark.parametrize(
    'own',
    [
        dict(type='OptimWrapper', clip_grad=dict(max_norm=2)),
        dict(type='OptimWrapper', accumulative_counts=4),
        dict(type='mmdet_ddpm_moco.Bf16OptimWrapper'),
        dict(type='AmpOptimWrapper', loss_scale='dynamic', dtype='float16'),
        dict(),
    ],
)
def test_amp_without_a_gpu_is_bfloat16(monkeypatch, own):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = config(optim_wrapper=own)
    apply_options(cfg, options(amp=True))
    wrapper = build_wrapper(cfg)
    assert type(wrapper).__name__ == 'Bf16OptimWrapper'
    assert wrapper._accumulative_counts == own.get('accumulative_counts', 1)
    assert wrapper.clip_grad_kwargs == own.get('clip_grad')


def test_amp_without_a_gpu_is_not_for_detectors(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    cfg = config(default_scope='mmdet')
    with pytest.raises(ValueError, match='--amp needs a GPU'):
        apply_options(cfg, options(amp=True))


def test_amp_with_a_gpu_is_as_in_mmdetection(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = config()
    apply_options(cfg, options(amp=True))
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'


def test_the_learning_rate_is_scaled_where_the_config_says_for_what():
    cfg = config(auto_scale_lr=dict(base_batch_size=16, enable=False))
    apply_options(cfg, options(auto_scale_lr=True))
    assert cfg.auto_scale_lr == dict(base_batch_size=16, enable=True)
    for lacking in (config(), config(auto_scale_lr=dict(enable=False))):
        with pytest.raises(ValueError, match='base_batch_size') as error:
            apply_options(lacking, options(auto_scale_lr=True))
        assert 'some_detector.py' in str(error.value)
        assert '\n' not in str(error.value)


def detector(root, **changes):
    """Config of a detector with its three data loaders."""

    def loader(part):
        dataset = dict(
            type='mmdet_ddpm_moco.NEUDETDataset',
            data_root=str(root),
            ann_file=f'{part}.json',
            **changes,
        )
        wrapped = dict(type='RepeatDataset', times=2, dataset=dataset)
        return dict(dataset=wrapped if part == 'train' else dataset)

    cfg = config(
        **{f'{part}_dataloader': loader(part) for part in ('train', 'val')}
    )
    # As if it had been read from there; Config only reads real files.
    object.__setattr__(cfg, '_filename', 'my_detector.py')
    return cfg


def test_data_that_is_there(tmp_path):
    write_images(tmp_path / 'data')
    cfg = detector(tmp_path / 'data')
    (tmp_path / 'data' / 'val.json').write_text('{}')
    check_data(cfg, make=True)
    check_data(config(), make=True)


@pytest.mark.parametrize('part', ['train', 'val'])
def test_data_that_is_missing(tmp_path, part):
    other = 'val' if part == 'train' else 'train'
    (tmp_path / f'{other}.json').write_text('{}')
    with pytest.raises(FileNotFoundError) as error:
        check_data(detector(tmp_path), make=True)
    message = str(error.value)
    assert '\n' not in message
    assert str((tmp_path / f'{part}.json').resolve()) in message
    assert 'my_detector.py' in message
    assert '`python tools/prepare_dataset.py' in message


def test_a_list_without_images(tmp_path):
    for part in ('train', 'val'):
        (tmp_path / f'{part}.json').write_text('{"images": [{}]}')
    check_data(detector(tmp_path), make=False)
    (tmp_path / 'val.json').write_text('{"images": [], "categories": []}')
    with pytest.raises(
        ValueError, match=r'val\.json lists no images'
    ) as error:
        check_data(detector(tmp_path), make=False)
    assert 'my_detector.py' in str(error.value)
    assert '\n' not in str(error.value)
    (tmp_path / 'val.json').write_text('{"images": [')
    with pytest.raises(ValueError, match=r'val\.json, .* is damaged: Expect'):
        check_data(detector(tmp_path), make=False)


def test_only_the_parts_asked_for_are_checked(tmp_path):
    (tmp_path / 'val.json').write_text('{}')
    check_data(detector(tmp_path), make=False, parts=('val', 'test'))
    with pytest.raises(FileNotFoundError, match=r'train\.json'):
        check_data(detector(tmp_path), make=False, parts=('train',))


@pytest.mark.parametrize(
    'ann_file', ['s3://bucket/train.json', 'of a bucket', '', None]
)
def test_files_that_are_not_local_are_not_checked(tmp_path, ann_file):
    cfg = detector(tmp_path)
    if ann_file == 'of a bucket':
        cfg.train_dataloader.dataset.dataset.data_root = 's3://bucket/'
        cfg.val_dataloader.dataset.data_root = 's3://bucket/'
    for dataset in (
        cfg.train_dataloader.dataset.dataset,
        cfg.val_dataloader.dataset,
    ):
        dataset.ann_file = ann_file
    check_data(cfg, make=False)


@DATASETS.register_module()
class MadeOfNothing:
    made = []

    @staticmethod
    def make(data_root):
        MadeOfNothing.made.append(data_root)
        for part in ('train', 'val'):
            path = Path(data_root) / f'{part}.json'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({}))


def test_data_that_can_be_made_is_made_once(tmp_path):
    MadeOfNothing.made = []
    root = tmp_path / 'demo'
    cfg = detector(root)
    cfg.train_dataloader.dataset.dataset.type = 'MadeOfNothing'
    cfg.val_dataloader.dataset.type = 'MadeOfNothing'
    with pytest.raises(FileNotFoundError, match=r'train\.json'):
        check_data(cfg, make=False)
    assert MadeOfNothing.made == []
    check_data(cfg, make=True)
    assert MadeOfNothing.made == [str(root)]
    check_data(cfg, make=True)
    assert MadeOfNothing.made == [str(root)]


def test_data_that_is_still_missing_when_made_is_reported(tmp_path):
    cfg = detector(tmp_path / 'demo')
    for dataset in (
        cfg.train_dataloader.dataset.dataset,
        cfg.val_dataloader.dataset,
    ):
        dataset.type = 'MadeOfNothing'
    cfg.val_dataloader.dataset.ann_file = 'typo.json'
    with pytest.raises(FileNotFoundError, match=r'typo\.json'):
        check_data(cfg, make=True)


def test_every_rank_meets_at_every_barrier(tmp_path, monkeypatch):
    """A rank that comes late finds the data made, and must wait all the same.

    Ranks that meet at different numbers of barriers wait for ever.
    """
    from mmdet_ddpm_moco.engine import options

    met = []
    monkeypatch.setattr(options, 'barrier', lambda: met.append(1))
    cfg = detector(tmp_path / 'demo')
    for dataset in (
        cfg.train_dataloader.dataset.dataset,
        cfg.val_dataloader.dataset,
    ):
        dataset.type = 'MadeOfNothing'
    check_data(cfg, make=True)
    first = len(met)
    monkeypatch.setattr(options, 'is_main_process', lambda: False)
    check_data(cfg, make=True)
    assert len(met) == 2 * first
