"""A detector's config as its teachers': what leaks between folds is out."""

import pytest
from mmengine.config import Config

from mmdet_ddpm_moco.engine.teacher_config import teacher_config

AUGMENT = dict(type='mmdet_ddpm_moco.DiffusionDefectAugment', bank='b')
LOAD = dict(type='LoadAnnotations')
STAGES = dict(
    root='run',
    bank=dict(num=1),
    backbone=dict(config='mocov2/mocov2_r18_1xb64-coslr-530i_neu-det.py'),
    teacher=dict(unlabeled='u.json'),
)


def config(*hooks, **parts):
    dataset = dict(type='CocoDataset', pipeline=[LOAD, AUGMENT])
    return Config(
        dict(
            custom_hooks=[dict(type='EMAHook'), *hooks],
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', dataset=dataset)
            ),
            **parts,
        )
    )


def hook(**settings):
    return dict(type='mmdet_ddpm_moco.DDPMMoCoHook', **settings)


@pytest.mark.parametrize(
    ('given', 'left'),
    [
        (hook(), [hook(checkpoint='run/moco/backbone.pth')]),
        (
            hook(bank='b', scenes='s', checkpoint='c.pth', unfreeze=True),
            [hook(checkpoint='c.pth', unfreeze=True)],
        ),
        (hook(bank='b', prob=0.3), []),
        (hook(scenes='s'), []),
        (
            dict(type='ContrastiveInitHook', checkpoint='c.pth'),
            [dict(type='ContrastiveInitHook', checkpoint='c.pth')],
        ),
    ],
)
def test_of_the_hook_the_weights_are_left(given, left):
    cfg = config(given, stages=STAGES)
    before = cfg.to_dict()
    found = teacher_config(cfg)
    assert found.custom_hooks == [dict(type='EMAHook'), *left]
    assert 'stages' not in found
    # It is the detector's own config, which is trained next.
    assert cfg.to_dict() == before


def test_pipelines_lose_their_bank_too():
    last = dict(
        type='PipelineSwitchHook',
        switch_epoch=1,
        switch_pipeline=[LOAD, AUGMENT],
    )
    found = teacher_config(config(last))
    assert found.train_dataloader.dataset.dataset.pipeline == [LOAD]
    assert found.custom_hooks[1].switch_pipeline == [LOAD]


def test_it_is_the_same_a_second_time():
    once = teacher_config(config(hook(), stages=STAGES))
    assert teacher_config(once).to_dict() == once.to_dict()


def test_a_config_without_hooks_is_left_as_it_is():
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='CocoDataset'))))
    found = teacher_config(cfg).to_dict()
    assert found.pop('custom_hooks') == []
    assert found == cfg.to_dict()
