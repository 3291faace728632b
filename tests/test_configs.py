"""Every shipped config builds its model and names what exists."""

import copy

import mmengine.hooks  # noqa: F401  registers MMEngine's own hooks
import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, DefaultScope

from mmdet_ddpm_moco.ablation.experiment import read_plan
from mmdet_ddpm_moco.utils.paths import find_config, shipped

# Plans of benchmarks are no configs of a model.
PLANS = sorted(shipped('configs').glob('benchmarks/*/*.py'))
CONFIGS = sorted(
    path
    for path in shipped('configs').rglob('*.py')
    if '_base_' not in path.parts and path not in PLANS
)


def test_there_are_configs_of_every_kind():
    kinds = {path.parent.name for path in CONFIGS}
    assert kinds == {
        'configs',
        'ddpm',
        'moco',
        'detection',
        'demo',
        'arms',
        'stages',
    }


@pytest.mark.parametrize('path', PLANS, ids=lambda path: path.stem)
def test_plans_are_read(path):
    plan = read_plan(path)
    assert plan.cells()
    for arm in plan.arms:
        cfg = Config.fromfile(arm.config)
        dataset = cfg.train_dataloader.dataset
        dataset = dataset.get('dataset', dataset)
        assert dataset.data_root.rstrip('/') == str(plan.data_root)
        if not arm.own_labels:
            assert dataset.ann_file == plan.shots_file


@pytest.mark.parametrize(
    'path', CONFIGS, ids=lambda path: str(path.relative_to(shipped('configs')))
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


DETECTORS = [
    p
    for p in CONFIGS
    if p.parent.name in ('demo', 'detection') and 'faster_rcnn' in p.stem
]


@pytest.mark.parametrize('path', DETECTORS, ids=lambda path: path.stem)
def test_arms_share_everything_but_the_hook(path):
    """A comparison of arms is only fair if nothing else differs."""
    plain = path.with_name(
        dict(
            demo='faster_rcnn_plain.py',
            detection='faster_rcnn_r18_neu_det_cpu.py',
        )[path.parent.name]
    )
    first, second = Config.fromfile(plain), Config.fromfile(path)
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
