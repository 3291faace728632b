import copy

import pytest
from mmcv.transforms import LoadAnnotations as CvLoadAnnotations
from mmdet.datasets.transforms import LoadAnnotations
from mmengine.config import Config

from helpers.tiny_detection import (
    AUGMENT,
    LOAD,
    build_dataset,
    coco,
)
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.engine.pipelines import (
    config_dicts,
    config_pipelines,
    innermost_datasets,
    insert_config,
    loads_annotations,
    trained_views,
)

TRANSFORM = dict(type=AUGMENT, bank='bank')
PACK = dict(type='PackDetInputs')


@pytest.mark.parametrize(
    'load',
    [
        'LoadAnnotations',
        'mmdet.LoadAnnotations',
        'mmcv.transforms.LoadAnnotations',
        LoadAnnotations,
        CvLoadAnnotations,
    ],
)
def test_it_goes_right_behind_the_annotations(load):
    pipeline = [dict(type='LoadImageFromFile'), dict(type=load), PACK]
    before = copy.copy(pipeline)
    assert insert_config(pipeline, TRANSFORM) is True
    assert pipeline == [*before[:2], TRANSFORM, before[2]]


def test_it_goes_behind_the_last_annotations():
    pipeline = [*LOAD, dict(type='LoadAnnotations', with_mask=True), PACK]
    insert_config(pipeline, TRANSFORM)
    assert pipeline.index(TRANSFORM) == 3


@pytest.mark.parametrize(
    'pipeline',
    [
        [dict(type='LoadImageFromFile'), PACK],
        [*LOAD, TRANSFORM, PACK],
        [*LOAD, dict(type='Resize'), dict(type='DiffusionDefectAugment')],
        [*LOAD, dict(type=DiffusionDefectAugment, bank='other')],
        [],
    ],
)
def test_pipelines_that_are_left_as_they_are(pipeline):
    before = copy.copy(pipeline)
    assert insert_config(pipeline, TRANSFORM) is False
    assert pipeline == before


def test_twice_is_once():
    pipeline = [*LOAD, PACK]
    assert insert_config(pipeline, TRANSFORM)
    assert not insert_config(pipeline, TRANSFORM)
    assert pipeline.count(TRANSFORM) == 1


def wrappers(dataset):
    """mmdet's and MMEngine's wrappers around one dataset's config."""
    repeat = dict(type='RepeatDataset', times=2, dataset=dataset)
    return dict(
        none=dataset,
        repeat=repeat,
        balanced=dict(
            type='ClassBalancedDataset', oversample_thr=1e-3, dataset=dataset
        ),
        concat=dict(
            type='ConcatDataset', datasets=[dataset, copy.deepcopy(dataset)]
        ),
        mixed=dict(
            type='MultiImageMixDataset', dataset=dataset, pipeline=[PACK]
        ),
        deep=dict(
            type='MultiImageMixDataset',
            pipeline=[PACK],
            dataset=dict(
                type='ConcatDataset',
                datasets=[repeat, copy.deepcopy(dataset)],
            ),
        ),
    )


NAMES = ('none', 'repeat', 'balanced', 'concat', 'mixed', 'deep')


@pytest.mark.parametrize('name', NAMES)
def test_built_datasets_are_found_inside_wrappers(data, name):
    built = build_dataset(wrappers(coco(data, [PACK]))[name])
    found = list(innermost_datasets(built))
    assert len(found) == (2 if name in ('concat', 'deep') else 1)
    for dataset in found:
        assert type(dataset).__name__ == 'CocoDataset'
        assert loads_annotations(dataset) == 1


@pytest.mark.parametrize('name', NAMES)
def test_pipelines_of_configs_are_found_inside_wrappers(data, name):
    inner = coco(data, [PACK])
    cfg = wrappers(inner)[name]
    found = list(config_pipelines(cfg))
    loading = [p for p in found if LOAD[1] in p]
    others = [p for p in found if LOAD[1] not in p]
    assert len(loading) == (2 if name in ('concat', 'deep') else 1)
    assert others == [[PACK]] * (name in ('mixed', 'deep'))
    # They are the config's own, not copies.
    for pipeline in found:
        insert_config(pipeline, TRANSFORM)
    assert TRANSFORM in inner['pipeline']
    again = [p for p in config_pipelines(cfg) if TRANSFORM in p]
    assert len(again) == len(loading)


def test_pipelines_of_hooks_are_found():
    hooks = [
        dict(type='EMAHook'),
        dict(
            type='PipelineSwitchHook',
            switch_epoch=1,
            switch_pipeline=[*LOAD, PACK],
        ),
    ]
    assert list(config_pipelines(hooks)) == [[*LOAD, PACK]]
    assert list(config_pipelines(None)) == []


@pytest.mark.parametrize('pipeline', [(), [dict(type='LoadImageFromFile')]])
def test_a_dataset_that_loads_no_annotations(data, pipeline):
    dataset = build_dataset(dict(coco(data), pipeline=list(pipeline)))
    assert loads_annotations(dataset) is None


def test_datasets_without_a_pipeline():
    assert loads_annotations([1, 2]) is None
    assert list(innermost_datasets([1, 2])) == [[1, 2]]


def test_outer_dicts_come_before_inner_ones_through_lists_and_tuples():
    part = dict(a=1, b=[dict(a=2, b=(dict(a=3), 'x'))], c=dict(a=4))
    assert [found['a'] for found in config_dicts(part)] == [1, 2, 3, 4]


def test_to_change_one_changes_the_config():
    cfg = Config(dict(model=dict(parts=[dict(size=1), dict(size=2)])))
    for found in config_dicts(cfg.model):
        if 'size' in found:
            found['size'] = 5
    assert [part.size for part in cfg.model.parts] == [5, 5]


def test_what_holds_no_dict_holds_none():
    for part in (None, 'text', 3, [1, 'a'], ()):
        assert list(config_dicts(part)) == []


@pytest.mark.parametrize(
    ('flips', 'views'),
    [
        ([], ('none',)),
        ([dict(type='RandomFlip', prob=0.5)], ('none', 'horizontal')),
        ([dict(type='mmdet.RandomFlip', prob=0.0)], ('none',)),
        (
            [
                dict(
                    type='RandomFlip',
                    prob=[0.2, 0.0],
                    direction=['vertical', 'diagonal'],
                )
            ],
            ('none', 'vertical'),
        ),
        (
            [
                dict(type='RandomFlip', prob=0.5, direction='vertical'),
                dict(type='RandomFlip', prob=0.5),
            ],
            ('none', 'horizontal', 'vertical'),
        ),
    ],
)
def test_views_are_those_that_a_training_shows(flips, views):
    inner = dict(type='CocoDataset', pipeline=[*LOAD, *flips, PACK])
    wrapped = dict(type='RepeatDataset', dataset=inner)
    cfg = Config(dict(train_dataloader=dict(dataset=wrapped)))
    assert trained_views(cfg) == views
