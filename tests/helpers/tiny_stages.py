"""Configs of a generator, a backbone and a detector that train in a second.

They are written as files, because stages read them as files.
"""

import itertools
import shlex
import shutil
import textwrap
from types import SimpleNamespace

import cv2
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmdet_ddpm_moco.engine import (
    stage,
    stages,
    teachers,
    training,
    training_stage,
)
from mmdet_ddpm_moco.engine.run_record import FILE as RECORD
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import check_prepared
from mmdet_ddpm_moco.synthesis import painter, run

_names = itertools.count()

GENERATOR = """
default_scope = 'mmengine'
randomness = dict(seed=0)
model = dict(
    type='mmdet_ddpm_moco.DefectDDPM',
    num_classes=2,
    unet=dict(
        block_out_channels=(8, 8),
        down_block_types=('DownBlock2D', ) * 2,
        up_block_types=('UpBlock2D', ) * 2,
        layers_per_block=1,
        norm_num_groups=4))
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmdet_ddpm_moco.DefectWindowDataset',
        ann_file={data!r} + '/train.json',
        img_prefix={data!r} + '/images/',
        window=16))
train_cfg = dict(by_epoch=False, max_iters=2)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
log_processor = dict(by_epoch=False)
custom_hooks = [dict(type='mmdet_ddpm_moco.ExportGeneratorHook')]
"""

BACKBONE = """
default_scope = 'mmengine'
randomness = dict(seed=0)
model = dict(
    type='TinyDetector',
    backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8))
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='TinyImages',
        sources=[
            dict(
                ann_file={data!r} + '/train.json',
                img_prefix={data!r} + '/images/')
        ]),
    sampler=dict(type='DefaultSampler', shuffle=False))
train_cfg = dict(by_epoch=True, max_epochs=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e-3))
custom_hooks = [dict(type='mmdet_ddpm_moco.ExportBackboneHook')]
"""

DETECTOR = """
root = {root!r}
custom_hooks = [
    dict(
        type='mmdet_ddpm_moco.DDPMMoCoHook',
        bank=root + '/bank',
        checkpoint=root + '/moco/backbone.pth')
]
train_dataloader = dict(dataset=dict(pipeline=[]))
stages = dict(
    root=root,
    generator=dict(config='ddpm.py'),
    bank=dict(num=4, num_inference_steps=1, max_window=32, mix=dict(add=1.0)),
    backbone=dict(config='moco.py'))
"""


def name_runs_apart(monkeypatch):
    """Names runs: MMEngine does by file name and second; tests are faster."""
    from_cfg = Runner.from_cfg

    def named(cfg):
        cfg.experiment_name = f'stage{next(_names)}'
        return from_cfg(cfg)

    monkeypatch.setattr(training, 'Runner', SimpleNamespace(from_cfg=named))


def make_stages_quick(monkeypatch):
    """Small blocks, a sampler that returns noise; records the log.

    Returns:
        list[str]: What the stages log from now on.
    """
    log = []
    name_runs_apart(monkeypatch)
    monkeypatch.setattr(run, 'BLOCK', 4)
    for module in (stages, stage, teachers, training_stage):
        monkeypatch.setattr(
            module, 'print_log', lambda text, *_, **__: log.append(text)
        )

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        return noise.clamp(-1, 1)

    monkeypatch.setattr(painter, 'sample_windows', noise_itself)
    return log


def write_configs(folder, data_root, root):
    """Writes `ddpm.py`, `moco.py` and `detector.py`; returns the last."""
    names = dict(data=str(data_root), root=str(root))
    for name, text in (
        ('ddpm.py', GENERATOR),
        ('moco.py', BACKBONE),
        ('detector.py', DETECTOR),
    ):
        text = textwrap.dedent(text).replace('{data!r}', repr(names['data']))
        text = text.replace('{root!r}', repr(names['root']))
        (folder / name).write_text(text)
    return folder / 'detector.py'


def load(path, work_dir=None, **options):
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options)
    cfg.work_dir = str(work_dir or path.parent / 'work')
    cfg.launcher = 'none'
    return cfg


def edit(path, old, new):
    """Changes a config file as its user would."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


HOOK = 'mmdet_ddpm_moco.DDPMMoCoHook'


FRESH = dict(generator=True, bank=True, backbone=True)


def files_of(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        # The record of a run says what was made and what was reused.
        if path.is_file() and path.name != RECORD
    }


def made_in(root):
    """Names of what the stages made in their folder."""
    return {path.name for path in root.iterdir()} - {stage.LOCK}


def state(detector):
    return {s.name: s.fresh() for s in stages_of(load(detector))}


def reads(detector, **settings):
    """The detector's config, its hook reading only these."""
    cfg = load(detector)
    root = cfg.root
    known = dict(bank=f'{root}/bank', checkpoint=f'{root}/moco/backbone.pth')
    given = {k: known[k] if v is True else v for k, v in settings.items()}
    cfg.custom_hooks = [dict(type=HOOK, **given)] if given else []
    return cfg


def refusal(cfg):
    with pytest.raises(ValueError, match='--no-prepare') as error:
        check_prepared(cfg)
    head, *commands = str(error.value).splitlines()
    return head, [shlex.split(command.strip()) for command in commands]


def change_generator(root):
    edit(root / 'ddpm.py', 'lr=1e-3', 'lr=2e-3')


def change_backbone(root):
    edit(root / 'moco.py', 'seed=0', 'seed=1')


def change_bank(root):
    edit(root / 'detector.py', 'num=4', 'num=5')


def change_bank_seed(root):
    edit(root / 'detector.py', 'max_window=32', 'max_window=32, seed=4')


def change_annotations(root):
    path = root / 'data' / 'train.json'
    path.write_text(path.read_text() + '\n')


def change_an_image(root):
    path = str(root / 'data' / 'images' / '2.png')
    cv2.imwrite(path, cv2.imread(path)[::-1])


def change_generator_files(root):
    path = root / 'root' / 'ddpm' / 'generator' / 'defect_ddpm.json'
    edit(path, '"window": 16', '"window": 32')


def lose_generator(root):
    shutil.rmtree(root / 'root' / 'ddpm' / 'generator')


def lose_bank(root):
    shutil.rmtree(root / 'root' / 'bank')


def lose_backbone(root):
    (root / 'root' / 'moco' / 'backbone.pth').unlink()


def lose_manifest(root):
    (root / 'root' / 'bank' / 'manifest.json').unlink()
