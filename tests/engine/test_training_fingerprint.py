"""What the fingerprint of a training covers."""

from pathlib import Path

import pytest
from mmengine.config import Config

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import load, name_runs_apart, write_configs
from mmdet_ddpm_moco.engine.inputs import ann_files
from mmdet_ddpm_moco.engine.training import training_fingerprint


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    name_runs_apart(monkeypatch)


@pytest.fixture
def config(tmp_path):
    data = write_images(tmp_path / 'data')
    write_configs(tmp_path, data, tmp_path / 'root')
    return tmp_path / 'moco.py'


def test_the_fingerprint_ignores_the_work_dir(config, tmp_path):
    prints = {
        training_fingerprint(load(config, work_dir))
        for work_dir in (tmp_path / 'a', tmp_path / 'b', 'relative/c')
    }
    cfg = load(config)
    cfg.resume, cfg.launcher, cfg.log_level = True, 'pytorch', 'DEBUG'
    cfg.experiment_name = 'x'
    prints.add(training_fingerprint(cfg))
    assert len(prints) == 1
    (found,) = prints
    assert len(found) == 16
    int(found, 16)


def test_the_fingerprint_ignores_order_and_place(config, tmp_path):
    cfg = load(config)
    turned = Config(dict(reversed(list(cfg.to_dict().items()))))
    turned.model = dict(reversed(list(turned.model.items())))
    assert training_fingerprint(turned) == training_fingerprint(cfg)
    copy = tmp_path / 'elsewhere.py'
    copy.write_text(config.read_text())
    assert training_fingerprint(load(copy)) == training_fingerprint(cfg)


@pytest.mark.parametrize(
    'options',
    [
        {'model.backbone.depth': 34},
        {'train_dataloader.batch_size': 4},
        {'train_cfg.max_epochs': 3},
        {'optim_wrapper.optimizer.lr': 2e-3},
        {'randomness.seed': 1},
        {'load_from': 'other.pth'},
        {'param_scheduler': [dict(type='ConstantLR')]},
        {'custom_hooks': []},
        {'data_preprocessor': dict(mean=[127.5] * 3)},
        {'auto_scale_lr': dict(enable=True, base_batch_size=16)},
        {'default_hooks.ema': dict(type='EMAHook')},
    ],
)
def test_the_fingerprint_covers_what_weights_depend_on(config, options):
    base = training_fingerprint(load(config))
    assert training_fingerprint(load(config, **options)) != base


@pytest.mark.parametrize(
    'options',
    [
        {'auto_scale_lr': dict(enable=False, base_batch_size=16)},
        {'default_hooks.logger': dict(type='LoggerHook', interval=7)},
        {'test_cfg': dict()},
    ],
)
def test_the_fingerprint_ignores_what_changes_no_weight(config, options):
    base = training_fingerprint(load(config))
    assert training_fingerprint(load(config, **options)) == base


def test_the_fingerprint_covers_the_annotations(config, tmp_path):
    base = training_fingerprint(load(config))
    json_file = tmp_path / 'data' / 'train.json'
    content = json_file.read_text()
    json_file.write_text(content + ' ')
    assert training_fingerprint(load(config)) != base
    json_file.write_text(content)
    assert training_fingerprint(load(config)) == base
    json_file.unlink()
    with pytest.raises(FileNotFoundError) as error:
        training_fingerprint(load(config))
    message = str(error.value)
    assert str(json_file) in message
    assert 'tools/prepare_dataset.py' in message
    assert '\n' not in message


@pytest.mark.parametrize('kind', ['table', 'img_folder'])
def test_the_fingerprint_covers_what_lists_images(config, tmp_path, kind):
    images = tmp_path / 'shots'
    images.mkdir()
    listing = images if kind == 'img_folder' else tmp_path / 'table.csv'

    def fingerprint():
        cfg = load(config)
        cfg.train_dataloader.dataset.sources = [{kind: str(listing)}]
        return training_fingerprint(cfg)

    before = fingerprint()
    more = images / 'a.png' if kind == 'img_folder' else listing
    more.write_bytes(b'file_name\n')
    assert fingerprint() != before


def test_annotation_files_are_found_wherever_they_are():
    dataset = dict(
        type='ConcatDataset',
        datasets=[
            dict(data_root='data', ann_file='a.json'),
            dict(
                type='RepeatDataset',
                dataset=dict(data_root='data/', ann_file='b/c.json'),
            ),
            dict(data_root='data', ann_file='/abs/d.json'),
            dict(sources=[dict(ann_file='e.json'), dict(ann_file='')]),
            dict(ann_file='', data_root='data'),
            dict(data_root=None, ann_file='f.json'),
        ],
    )
    found = [Path(name).as_posix() for name in ann_files(dataset)]
    assert found == [
        'data/a.json',
        'data/b/c.json',
        '/abs/d.json',
        'e.json',
        'f.json',
    ]
    assert list(ann_files(None)) == []
