"""What a hook without bank and checkpoint takes from the stages."""

import pytest
from mmengine.config import Config

from mmdet_ddpm_moco.engine.inputs import fill_hooks, inputs_of, scenes_of

BANK, BACKBONE = 'run/bank', 'run/moco/backbone.pth'
SCENES = 'run/scenes'


def config(hook, **stages):
    hooks = [
        dict(type='EMAHook'),
        dict(type='mmdet_ddpm_moco.' + hook.pop('type'), **hook),
    ]
    return Config(dict(custom_hooks=hooks, stages=stages, work_dir='work'))


@pytest.mark.parametrize(
    ('stages', 'taken'),
    [
        (
            dict(bank=dict(num=1), backbone=dict(config='m.py')),
            dict(bank=BANK, checkpoint=BACKBONE),
        ),
        (dict(bank=dict(num=1), backbone=None), dict(bank=BANK)),
        (
            dict(generator=None, bank=None, backbone=dict(config='m.py')),
            dict(checkpoint=BACKBONE),
        ),
        (dict(teacher=dict(unlabeled='u.json')), dict(scenes=SCENES)),
        (dict(teacher=None, bank=dict(num=1)), dict(bank=BANK)),
        (dict(), dict()),
    ],
)
def test_a_hook_takes_what_the_stages_make(stages, taken):
    cfg = config(dict(type='DDPMMoCoHook', prob=0.2), root='run', **stages)
    assert fill_hooks(cfg) is cfg
    assert cfg.custom_hooks == [
        dict(type='EMAHook'),
        dict(type='mmdet_ddpm_moco.DDPMMoCoHook', prob=0.2, **taken),
    ]
    assert inputs_of(cfg) == (
        {taken['bank']} if 'bank' in taken else set(),
        {taken['checkpoint']} if 'checkpoint' in taken else set(),
    )
    assert scenes_of(cfg) == ({SCENES} if 'scenes' in taken else set())


@pytest.mark.parametrize(
    'hook',
    [
        dict(type='DDPMMoCoHook', bank='mine'),
        dict(type='DDPMMoCoHook', checkpoint='mine.pth'),
        dict(type='DDPMMoCoHook', scenes='mine'),
        dict(type='DDPMMoCoHook', bank=None, checkpoint='mine.pth'),
        dict(type='ContrastiveInitHook', checkpoint='mine.pth'),
    ],
)
def test_a_hook_that_names_one_of_them_is_left_as_it_is(hook):
    stages = dict(
        bank=dict(num=1),
        backbone=dict(config='m.py'),
        teacher=dict(unlabeled='u.json'),
    )
    cfg = config(hook, root='run', **stages)
    before = cfg.to_dict()
    assert fill_hooks(cfg).to_dict() == before


def test_without_a_root_the_stages_are_in_the_work_folder():
    cfg = config(dict(type='DDPMMoCoHook'), bank=dict(num=1))
    assert inputs_of(fill_hooks(cfg)) == ({'work/bank'}, set())


def test_configs_without_hooks_or_stages():
    for cfg in (Config(), Config(dict(custom_hooks=[dict(type='EMAHook')]))):
        before = cfg.to_dict()
        assert fill_hooks(cfg).to_dict() == before
