import copy
import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.tiny_runs import KeepStartHook, TinyDetector, make_runner, resnet
from mmdet_ddpm_moco.checkpoints.backbone_file import (
    RECORD,
    backbone_file,
    plain,
)
from mmdet_ddpm_moco.checkpoints.weights_only import load_weights_only
from mmdet_ddpm_moco.engine.hooks.contrastive_init_hook import (
    ContrastiveInitHook,
)
from mmdet_ddpm_moco.engine.hooks.export_backbone_hook import (
    ExportBackboneHook,
)
from mmdet_ddpm_moco.engine.training_images import annotation_hashes
from mmdet_ddpm_moco.utils.provenance import KEY
from mmdet_ddpm_moco.version import __version__

PUBLISH = Path(__file__).parents[2] / 'tools' / 'publish_backbone.py'
MODEL = dict(
    type='TinyDetector',
    backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8),
    head=dict(type='SomeHead', loss=dict(temperature=0.2, levels=(1, 2))),
)


def train(tmp_path, name='run', start=None, model=MODEL, **hook):
    """A run over two annotation files; gives its runner and their hashes."""
    hashes = {}
    for i in range(2):
        path = tmp_path / f'{i}.json'
        path.write_text(f'[{i}]')
        digest = hashlib.sha256(f'[{i}]'.encode()).hexdigest()
        hashes[str(path)] = digest
    sources = [dict(ann_file=path, repeat=2) for path in hashes]
    loader = dict(
        dataset=dict(type='TinyImages', sources=sources),
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    runner = make_runner(
        model,
        tmp_path / name,
        [dict(type='ExportBackboneHook', **hook)],
        load_from=start,
        lr=1e-3,
        train_cfg=dict(by_epoch=True, max_epochs=3),
        train_dataloader=loader,
        randomness=dict(seed=3),
    )
    runner.train()
    return runner, hashes


def test_the_file_holds_the_backbone_and_its_record(tmp_path):
    runner, hashes = train(tmp_path)
    path = tmp_path / 'run' / 'backbone.pth'
    # No allow-list is needed.
    loaded = torch.load(path, weights_only=True)
    assert set(loaded) == {'state_dict', 'meta'}
    wanted = runner.model.backbone.state_dict()
    assert list(loaded['state_dict']) == [f'backbone.{k}' for k in wanted]
    for key, value in wanted.items():
        assert torch.equal(loaded['state_dict'][f'backbone.{key}'], value)
    assert loaded['meta'] == dict(
        package_version=__version__,
        arch=dict(type='mmdet.ResNet', depth=18, base_channels=8),
        head=dict(type='SomeHead', loss=dict(temperature=0.2, levels=[1, 2])),
        epochs=3,
        iters=6,
        ann_files=hashes,
        images_seen=None,
    )
    assert type(loaded['meta']['arch']) is dict


@pytest.mark.slow
def test_the_same_run_gives_the_same_file(tmp_path):
    files = []
    for name in ('one', 'two'):
        train(tmp_path, name, out='final.pth')
        files.append((tmp_path / name / 'final.pth').read_bytes())
    assert files[0] == files[1]


def test_a_detector_starts_from_it(tmp_path):
    runner, _ = train(tmp_path)
    weights = runner.model.backbone.state_dict()
    hook = ContrastiveInitHook(str(tmp_path / 'run' / 'backbone.pth'))
    make_runner(TinyDetector(resnet()), tmp_path / 'det', [hook]).train()
    for key, value in weights.items():
        assert torch.equal(KeepStartHook.start[key], value)


@pytest.mark.parametrize('way', ['load_from', 'model', 'backbone'])
def test_images_of_the_weights_it_starts_from_are_kept(tmp_path, way):
    """Else a detector would be tested on them without a word."""
    first, _ = train(tmp_path, 'first')
    start = tmp_path / 'start.pth'
    seen = dict(format_version=1, images=[['test_1.png', '0' * 16, None]])
    state = dict(state_dict=first.model.state_dict())
    if way == 'backbone':
        state = dict(state_dict=first.model.backbone.state_dict())
    torch.save({**state, 'meta': {RECORD: {KEY: seen}}}, start)
    model = copy.deepcopy(MODEL)
    named = dict(type='Pretrained', checkpoint=str(start))
    if way == 'model':
        model['init_cfg'] = named
    elif way == 'backbone':
        model['backbone']['init_cfg'] = named
    train(
        tmp_path,
        start=str(start) if way == 'load_from' else None,
        model=model,
    )
    path = tmp_path / 'run' / 'backbone.pth'
    meta = torch.load(path, weights_only=True)['meta']
    assert ['test_1.png', '0' * 16, None] in meta[KEY]['images']


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match='must be the name of a file'):
        ExportBackboneHook('')


@pytest.mark.parametrize('name', ['backbone.pth', 'epoch_2.pth'])
def test_publishing_keeps_weights_and_record(tmp_path, name, capsys):
    _, hashes = train(tmp_path)
    given = load_weights_only(tmp_path / 'run' / name)
    publish = runpy.run_path(str(PUBLISH))['main']
    publish([str(tmp_path / 'run' / name), str(tmp_path / 'out')])
    printed = capsys.readouterr()
    path = Path(printed.out.splitlines()[-1])
    assert 'no record' not in printed.err
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'{Path(name).stem}-{digest[:8]}.pth'
    loaded = torch.load(path, weights_only=True)
    assert loaded['meta']['ann_files'] == hashes
    assert loaded['meta']['epochs'] == (2 if name == 'epoch_2.pth' else 3)
    assert set(loaded['meta']) == {
        'package_version',
        'arch',
        'head',
        'epochs',
        'iters',
        'ann_files',
        'images_seen',
    }
    wanted = {
        key: value
        for key, value in given['state_dict'].items()
        if key.startswith('backbone.')
    }
    assert loaded['state_dict'].keys() == wanted.keys()
    for key, value in wanted.items():
        assert torch.equal(loaded['state_dict'][key], value)
    # Publishing what was published gives the same file and name.
    publish([str(path), str(tmp_path / 'out')])
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    assert list((tmp_path / 'out').iterdir()) == [path]


def test_publishing_reports_what_is_missing(tmp_path, capsys):
    publish = runpy.run_path(str(PUBLISH))['main']
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict={'backbone.a': torch.ones(1)}), path)
    publish([str(path), str(tmp_path / 'out')])
    assert 'no record of the annotation files' in capsys.readouterr().err
    torch.save(dict(state_dict={'head.a': torch.ones(1)}), path)
    for given, message in ((path, 'head.a'), ('no.pth', 'is not there')):
        with pytest.raises(SystemExit):
            publish([str(given), str(tmp_path / 'out2')])
        assert message in capsys.readouterr().err
    assert not (tmp_path / 'out2').exists()


def test_tensors_own_their_memory(tmp_path):
    whole = torch.zeros(10_000)
    torch.save(backbone_file({'backbone.a': whole[:3]}, {}), tmp_path / 'a')
    assert (tmp_path / 'a').stat().st_size < 5_000


class Wrapper:
    def __init__(self, **attributes):
        vars(self).update(attributes)


def test_hashes_are_found_below_wrappers(tmp_path):
    (tmp_path / 'a.json').write_text('a')
    (tmp_path / 'b.json').write_text('b')
    (tmp_path / 'c.json').write_text('c')
    absolute = str(tmp_path / 'b.json')
    dataset = Wrapper(
        dataset=Wrapper(
            datasets=[
                Wrapper(ann_file='a.json', data_root=str(tmp_path)),
                Wrapper(
                    sources=[dict(ann_file=absolute), dict(img_folder='x')]
                ),
                Wrapper(sources=(dict(ann_file=tmp_path / 'c.json'),)),
                Wrapper(ann_file='s3://bucket/d.json', data_root=None),
                Wrapper(ann_file=''),
                Wrapper(),
            ]
        )
    )
    assert annotation_hashes(dataset) == {
        'a.json': hashlib.sha256(b'a').hexdigest(),
        absolute: hashlib.sha256(b'b').hexdigest(),
        str(tmp_path / 'c.json'): hashlib.sha256(b'c').hexdigest(),
        's3://bucket/d.json': None,
    }


def test_a_missing_file_has_no_hash():
    assert annotation_hashes(Wrapper(ann_file='nowhere.json')) == {
        'nowhere.json': None
    }


def test_plain_types():
    made = plain(
        dict(
            a=(1, 2.5, None),
            b={True},
            c=np.float32(0.5),
            d=torch.nn.Conv2d,
            e=Path('x'),
            f={1: 'y'},
        )
    )
    assert made == dict(
        a=[1, 2.5, None],
        b=[True],
        c=0.5,
        d='torch.nn.modules.conv.Conv2d',
        e='x',
        f={'1': 'y'},
    )
