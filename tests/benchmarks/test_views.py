import pytest
from mmengine.config import Config

from benchmarks.speed.views import (
    mmpretrain_pipeline,
    our_pipeline,
    view_settings,
)
from mmdet_ddpm_moco.utils.paths import shipped

SETTINGS = dict(
    scale=24,
    window=40,
    crop_ratio_range=(0.3, 0.9),
    aspect_ratio_range=(0.5, 2.0),
    brightness=0.1,
    contrast=0.2,
    jitter_prob=0.3,
    sigma_range=(0.4, 0.8),
    blur_prob=0.6,
    flips=dict(vertical=0.7, diagonal=0.1),
    color_type='color',
)


@pytest.mark.parametrize('pipeline', [our_pipeline, mmpretrain_pipeline])
def test_both_pipelines_make_the_views_asked_for(pipeline):
    assert view_settings(pipeline(SETTINGS)) == SETTINGS


def test_missing_settings_have_defaults():
    found = view_settings([dict(type='TwoViews', scale=8, blur_prob=0.1)])
    assert found['scale'] == 8 and found['blur_prob'] == 0.1
    assert found['crop_ratio_range'] == (0.08, 1.0)


def test_the_shipped_views_can_be_compared():
    config = (
        shipped('configs')
        / 'mocov2'
        / 'mocov2_r18_1xb64-coslr-530i_neu-det.py'
    )
    dataset = Config.fromfile(config).train_dataloader.dataset
    found = view_settings(dataset.pipeline)
    assert found['scale'] == 64 and found['window'] == 96
    assert tuple(found['sigma_range']) == (0.1, 1.0)
    assert sum(found['flips'].values()) == 0.75


def other(change):
    pipeline = mmpretrain_pipeline(SETTINGS)
    change(pipeline[2]['transforms'][0])
    return pipeline


@pytest.mark.parametrize(
    'pipeline',
    [
        [dict(type='LoadImageFromFile')],
        other(lambda views: views.pop()),
        other(lambda views: views[1]['transforms'][0].update(hue=0.1)),
        other(lambda views: views[1]['transforms'][0].update(type='Lighting')),
        other(lambda views: views[2].pop('magnitude_std')),
        other(lambda views: views[3].update(prob=0.5)),
    ],
)
def test_other_views_are_refused_in_one_line(pipeline):
    with pytest.raises(ValueError, match='TwoViews') as error:
        view_settings(pipeline)
    assert '\n' not in str(error.value)
