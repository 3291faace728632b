"""Every shipped config builds its model and names what exists."""

import ast
import copy
from collections import Counter
from pathlib import Path

import mmdet.engine  # noqa: F401  registers MMDetection's hooks
import mmengine.hooks  # noqa: F401  registers MMEngine's own hooks
import pytest
import yaml
from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers.mmagic_stack import has_mmagic
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.engine.inputs import ann_files, fill_hooks
from mmdet_ddpm_moco.engine.learning_from_scenes import learn_from_scenes
from mmdet_ddpm_moco.engine.stage_config import stage_config
from mmdet_ddpm_moco.engine.teacher_config import teacher_config
from mmdet_ddpm_moco.engine.teacher_stage import read_teacher
from mmdet_ddpm_moco.utils.paths import find_config

ROOT = Path(__file__).parents[1]
# An experiment is no config of a model.
EXPERIMENTS = sorted(ROOT.glob('benchmarks/neu_det/*.py'))
CONFIGS = sorted(
    path
    for folder in ('configs', 'benchmarks/neu_det')
    for path in (ROOT / folder).rglob('*.py')
    if '_base_' not in path.parts
    and path not in EXPERIMENTS
    # For mmagic's runner: tests/interop/ has them.
    and path.parent.name != 'mmagic'
)
NEEDS_MMAGIC = 'ddpm_mmagic-unet32_1xb16-3ki_neu-det-20shot'


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
    assert len(EXPERIMENTS) == 8


@pytest.mark.slow
@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_are_read(path):
    experiment = read_experiment(path)
    assert experiment.runs()
    for variant in experiment.variants:
        cfg = Config.fromfile(variant.config)
        dataset = cfg.train_dataloader.dataset
        dataset = dataset.get('dataset', dataset)
        # Of a semi-supervised one that of the labeled images.
        dataset, *_ = dataset.get('datasets', [dataset])
        assert dataset.data_root.rstrip('/') == str(experiment.data_root)
        if not variant.own_labels:
            assert dataset.ann_file == experiment.shots_ann_file


@pytest.mark.parametrize(
    'path', CONFIGS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_config_builds(path):
    if path.stem == NEEDS_MMAGIC and not has_mmagic():
        pytest.skip('mmagic runs on the classic stack only')
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(copy.deepcopy(cfg.model))
        assert sum(p.numel() for p in model.parameters()) > 1e6
        for hook in cfg.get('custom_hooks', []):
            hook = copy.deepcopy(hook)
            assert HOOKS.get(hook.type) is not None, hook.type
    for stage in ('generator', 'backbone'):
        if (cfg.get('stages') or {}).get(stage):
            assert find_config(cfg.stages[stage].config, path).is_file()


def test_teachers_are_the_detector_without_what_knows_all_labels():
    path = ROOT / 'configs/faster_rcnn_ddpm_moco.py'
    cfg = Config.fromfile(path)
    # With a bank, and a backbone that learned from no teacher.
    del cfg.stages.backbone['scenes']
    ddpm = dict(config='ddpm/ddpm_unet64_1xb64-20ki_neu-det.py')
    cfg.stages.update(generator=ddpm, bank=dict(num=10))
    cfg = fill_hooks(cfg)
    root = cfg.stages.root
    averaged, hook = cfg.custom_hooks
    assert hook.bank == f'{root}/bank'
    assert hook.scenes == f'{root}/scenes'
    teacher = read_teacher(cfg)
    assert teacher.custom_hooks == [
        averaged,
        dict(
            type='mmdet_ddpm_moco.DDPMMoCoHook',
            checkpoint=f'{root}/moco/backbone.pth',
            unfreeze=True,
        ),
    ]
    assert teacher.train_dataloader == cfg.train_dataloader
    # What is labeled here is unlabeled there.
    (few,) = set(ann_files(cfg.train_dataloader))
    assert few == 'data/NEU-DET/annotations/train_20.json'
    held_out = {
        *ann_files(cfg.val_dataloader),
        *ann_files(cfg.test_dataloader),
    }
    assert cfg.stages.teacher.unlabeled not in {few, *held_out}


@pytest.mark.parametrize(
    'path',
    [
        file
        for file in sorted((ROOT / 'configs').rglob('*rcnn*.py'))
        if '_base_' not in file.parts
        and (Config.fromfile(file).get('stages') or {}).get('generator')
    ],
    ids=lambda path: path.stem,
)
def test_generators_read_the_labels_of_their_detector(path):
    cfg = Config.fromfile(path)
    stage = cfg.stages.generator
    generator = Config.fromfile(find_config(stage.config, path))
    generator.merge_from_dict(dict(stage.get('options', {})))
    (labels,) = set(ann_files(generator.train_dataloader))
    assert set(ann_files(cfg.train_dataloader)) == {labels}


def differences(first, second):
    """Names of the settings that differ between two configs."""
    first, second = first.to_dict(), second.to_dict()
    return {
        key
        for key in first.keys() | second.keys()
        if first.get(key) != second.get(key)
    }


R18 = 'ddpm_moco/faster-rcnn_r18_fpn_{}1xb4-720i_neu-det.py'
DEMO = 'demo/faster-rcnn_{}.py'


@pytest.mark.parametrize(
    ('baseline', 'variant', 'root', 'parts'),
    [
        (R18, R18.format('ddpm_'), 'work_dirs/neu_det_cpu', ['bank']),
        (R18, R18.format('moco_'), 'work_dirs/neu_det_cpu', ['checkpoint']),
        (
            R18,
            R18.format('ddpm-moco_'),
            'work_dirs/neu_det_cpu',
            ['bank', 'checkpoint'],
        ),
        (
            DEMO.format('baseline'),
            DEMO.format('scenes-kinds'),
            'work_dirs/demo',
            ['checkpoint', 'scenes'],
        ),
        (
            DEMO.format('baseline'),
            DEMO.format('scenes-kinds_ddpm'),
            'work_dirs/demo',
            ['bank', 'checkpoint', 'scenes'],
        ),
    ],
)
def test_variants_differ_in_hook_and_stages_only(
    baseline, variant, root, parts
):
    """A comparison of variants is only fair if nothing else differs."""
    first = Config.fromfile(ROOT / 'configs' / baseline.format(''))
    second = fill_hooks(Config.fromfile(ROOT / 'configs' / variant))
    found = differences(first, second)
    assert found - {'work_dir'} == {'custom_hooks', 'stages'}
    places = dict(
        bank=f'{root}/bank',
        scenes=f'{root}/scenes',
        checkpoint=f'{root}/moco/backbone.pth',
    )
    *before, added = second.custom_hooks
    # The demo's teachers are weak.
    assert added.pop('scene_end', None) == (
        0.7 if 'demo/' in variant else None
    )
    assert [*before, added] == [
        *(first.get('custom_hooks') or ()),
        dict(
            type='mmdet_ddpm_moco.DDPMMoCoHook',
            **{part: places[part] for part in parts},
        ),
    ]


def test_the_recipe_from_imagenet_is_the_one_that_was_measured():
    shipped, measured = (
        [Config.fromfile(ROOT / folder / name) for name in names]
        for folder, names in (
            (
                'configs/ddpm_moco',
                [
                    'faster-rcnn_lite0_fpn_1xb4-2880i_neu-det.py',
                    'faster-rcnn_lite0_fpn_scenes_1xb4-2880i_neu-det.py',
                ],
            ),
            (
                'benchmarks/neu_det/variants',
                ['quick_stable.py', 'quick_scenes.py'],
            ),
        )
    )
    assert differences(*shipped) == {'custom_hooks', 'stages'}
    for ours, theirs in zip(shipped, measured):
        for key in (
            'model',
            'optim_wrapper',
            'param_scheduler',
            'custom_hooks',
            'train_pipeline',
            'test_pipeline',
            'randomness',
        ):
            assert ours[key] == theirs[key], key
        assert ours.train_cfg.max_iters == theirs.train_cfg.max_iters
        for cfg in (ours, theirs):
            cfg.train_dataloader.dataset.pop('data_root')
        assert ours.train_dataloader == theirs.train_dataloader
    teachers = [pair[1].stages.teacher.options for pair in (shipped, measured)]
    assert teachers[0] == teachers[1]


def test_kinds_are_contrasted_as_they_were_measured():
    shipped = Config.fromfile(
        ROOT / 'configs/ddpm_moco'
        '/faster-rcnn_lite0_fpn_scenes-kinds_1xb4-2880i_neu-det.py'
    )
    without = Config.fromfile(shipped.filename.replace('-kinds', ''))
    assert differences(shipped, without) == {'stages'}
    ours = stage_config(shipped, shipped.stages.backbone)
    learn_from_scenes('backbone', ours, shipped, teacher_config(shipped))
    measured = Config.fromfile(
        ROOT / 'benchmarks/neu_det/variants/quick_scenes_kinds.py'
    )
    theirs = stage_config(measured, measured.stages.backbone)
    for key in ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert ours[key] == theirs[key], key
    sources = [c.train_dataloader.dataset.sources for c in (ours, theirs)]
    for (source,), cfg in zip(sources, (shipped, measured)):
        defects = f'{cfg.stages.root}/scenes/defects.json'
        assert source['ann_file'] == defects
        assert source['dataset_ids'] == 'class'
        assert source['crop'] is False


def test_a_resnet_50_is_contrasted_as_the_measured_backbone():
    theirs, ours = (
        Config.fromfile(ROOT / 'configs' / name)
        for name in (
            'ddpm_moco/faster-rcnn_lite0_fpn_scenes-kinds_1xb4-2880i_'
            'neu-det.py',
            'faster_rcnn_ddpm_moco.py',
        )
    )
    trained = [stage_config(c, c.stages.backbone) for c in (theirs, ours)]
    assert differences(*trained) == {'model'}
    models = [cfg.model.to_dict() for cfg in trained]
    for model in models:
        for part in ('backbone', 'data_preprocessor'):
            del model[part]
        del model['neck']['in_channels'], model['neck']['hid_channels']
    assert models[0] == models[1]
    recipes = [dict(cfg.stages.backbone) for cfg in (theirs, ours)]
    for recipe in recipes:
        del recipe['config']
    assert recipes[0] == recipes[1]
    normalized = trained[1].model.data_preprocessor
    for key in ('mean', 'std'):
        assert normalized[key] == ours.model.data_preprocessor[key]


def test_each_file_name_is_of_one_config_alone():
    """openmim looks for a config by its name, in all that is installed."""
    installed = ('configs', 'mmdet_ddpm_moco', 'tools', 'benchmarks/detectors')
    files = [p for folder in installed for p in (ROOT / folder).rglob('*.py')]
    count = Counter(file.name for file in files)
    configs = [p for p in files if p.is_relative_to(ROOT / 'configs')]
    assert len(configs) > 30
    assert [p for p in configs if count[p.name] > 1] == []


def test_every_config_is_in_a_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    metafiles = [ROOT / name for name in index['Import']]
    assert metafiles == [
        ROOT / 'configs' / group / 'metafile.yml'
        for group in ('ddpm_moco', 'ddpm', 'mocov2', 'demo')
    ]
    listed = []
    for file in metafiles:
        content = yaml.safe_load(file.read_text())
        (collection,) = content['Collections']
        assert (ROOT / collection['README']).parent == file.parent
        readme = (ROOT / collection['README']).read_text()
        for model in content['Models']:
            assert model['In Collection'] == collection['Name']
            listed.append(ROOT / model['Config'])
            assert listed[-1].name in readme
            cfg = Config.fromfile(listed[-1])
            said = model['Metadata']
            batch = said.get('Batch Size', cfg.train_dataloader.batch_size)
            assert batch == cfg.train_dataloader.batch_size
            length = said.get('Iterations') or said['Epochs']
            unit = 'max_iters' if 'Iterations' in said else 'max_epochs'
            assert cfg.train_cfg[unit] == length
    shipped = [p for p in CONFIGS if ROOT / 'configs' in p.parents]
    assert sorted(listed) == shipped


def test_no_config_indexes_a_list_of_its_base():
    """Inserting a transform in a base must not change another one here."""
    for folder in ('configs', 'benchmarks/neu_det'):
        for path in (ROOT / folder).rglob('*.py'):
            if path not in EXPERIMENTS:
                nodes = ast.walk(ast.parse(path.read_text()))
                found = [n for n in nodes if isinstance(n, ast.Subscript)]
                assert not found, f'{path}:{found[0].lineno}'
