"""Every shipped config builds its model and names what exists."""

import copy
from pathlib import Path

import mmengine.hooks  # noqa: F401  registers MMEngine's own hooks
import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, DefaultScope

from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.utils.paths import find_config

ROOT = Path(__file__).parents[1]
# An experiment is no config of a model.
EXPERIMENTS = sorted(ROOT.glob('benchmarks/neu_det/*.py'))
CONFIGS = sorted(
    path
    for folder in ('configs', 'benchmarks/neu_det')
    for path in (ROOT / folder).rglob('*.py')
    if '_base_' not in path.parts and path not in EXPERIMENTS
)


def test_there_are_configs_of_every_kind():
    kinds = {path.parent.name for path in CONFIGS}
    assert kinds == {
        'configs',
        'ddpm',
        'mocov2',
        'ddpm_moco',
        'demo',
        'variants',
        'stages',
    }
    assert len(EXPERIMENTS) == 4


@pytest.mark.slow
@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_plans_are_read(path):
    experiment = read_experiment(path)
    assert experiment.runs()
    for variant in experiment.variants:
        cfg = Config.fromfile(variant.config)
        dataset = cfg.train_dataloader.dataset
        dataset = dataset.get('dataset', dataset)
        assert dataset.data_root.rstrip('/') == str(experiment.data_root)
        if not variant.own_labels:
            assert dataset.ann_file == experiment.shots_ann_file


@pytest.mark.parametrize(
    'path', CONFIGS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_config_builds(path):
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(copy.deepcopy(cfg.model))
        assert sum(p.numel() for p in model.parameters()) > 1e6
        for hook in cfg.get('custom_hooks', []):
            hook = copy.deepcopy(hook)
            assert HOOKS.get(hook.type) is not None, hook.type
    for stage in ('generator', 'backbone'):
        if stage in cfg.get('stages', {}):
            assert find_config(cfg.stages[stage].config, path).is_file()


BASELINES = {
    'demo': 'faster-rcnn_baseline.py',
    'ddpm_moco': 'faster-rcnn_r18_fpn_1xb4-720i_neu-det.py',
}
PAIRS = [
    (path.with_name(BASELINES[path.parent.name]), path)
    for path in CONFIGS
    if path.parent.name in BASELINES
    and 'faster-rcnn' in path.stem
    and path.name not in BASELINES.values()
]


def test_there_are_variants_to_compare():
    assert len(PAIRS) == 4


@pytest.mark.slow
@pytest.mark.parametrize('baseline, path', PAIRS, ids=lambda path: path.stem)
def test_variants_share_everything_but_the_hook(baseline, path):
    """A comparison of variants is only fair if nothing else differs."""
    first, second = Config.fromfile(baseline), Config.fromfile(path)
    for key in (
        'model',
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'test_dataloader',
        'randomness',
    ):
        assert first[key] == second[key]
