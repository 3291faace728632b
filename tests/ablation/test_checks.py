"""Unfair comparisons are refused before anything is trained."""

import json
import shutil

import pytest

from helpers.tiny_experiment import make_experiment, write_coco
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs
from mmdet_ddpm_moco.ablation.run_configs import run_configs
from mmdet_ddpm_moco.ablation.shots import write_shots


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_experiment(tmp_path)


def change_variant(file, text):
    with (file.parent / 'other.py').open('a') as variant:
        variant.write(text)


def test_a_fair_experiment_passes(file):
    names = [run.name for run, _ in prepare_runs(read_experiment(file))]
    # Seed by seed, so that variants can be compared early.
    assert names == ['baseline_1_0', 'other_1_0', 'baseline_1_1', 'other_1_1']


@pytest.mark.parametrize(
    'change, named',
    [
        ('train_cfg = dict(max_iters=721)', r'train_cfg\.max_iters'),
        (
            "param_scheduler = [dict(type='CosineAnnealingLR', end=99)]",
            r'param_scheduler\.0\.end',
        ),
        ('optim_wrapper = dict(optimizer=dict(lr=2e-3))', 'optimizer.lr'),
        ('model = dict(depth=34)', 'model.depth'),
        ("load_from = 'detector_of_all_labels.pth'", 'load_from'),
        ('data_preprocessor = dict(mean=[0, 0, 0])', 'data_preprocessor'),
        ('auto_scale_lr = dict(enable=True)', 'auto_scale_lr'),
        ("model = dict(init_cfg='imagenet')", 'model.init_cfg'),
        ('train_dataloader = dict(batch_size=8)', 'batch_size'),
        (
            'p = _base_.train_pipeline\np[2].prob = 0.9\n'
            'train_dataloader = dict(dataset=dict(pipeline=p))',
            r'pipeline\.2\.prob',
        ),
        (
            'p = [*_base_.train_pipeline, dict(type="Rotate")]\n'
            'train_dataloader = dict(dataset=dict(pipeline=p))',
            'pipeline differs',
        ),
    ],
)
def test_a_variant_with_other_training_is_refused(file, change, named):
    change_variant(file, change)
    with pytest.raises(ValueError, match=named) as error:
        prepare_runs(read_experiment(file))
    assert 'variant other is no fair comparison' in str(error.value)


@pytest.mark.parametrize(
    'change',
    [
        "custom_hooks = [dict(type='DDPMMoCoHook', checkpoint='x.pth')]",
        'p = _base_.train_pipeline\n'
        "p.insert(2, dict(type='DiffusionDefectAugment', bank='b'))\n"
        'train_dataloader = dict(dataset=dict(pipeline=p))',
        'd = _base_.train_dataloader.dataset\n'
        'first, rest = d.pipeline[:2], d.pipeline[2:]\n'
        'd.pipeline = first\n'
        'train_dataloader = dict(dataset=dict(_delete_=True, '
        "type='MultiImageMixDataset', dataset=d, "
        "pipeline=[dict(type='CopyPaste'), *rest]))",
    ],
)
def test_the_subject_of_a_variant_may_differ(file, change):
    change_variant(file, change)
    assert len(prepare_runs(read_experiment(file))) == 4


def declare(file, flag):
    variant = f"other=dict(config='other.py', {flag}=True)"
    text = file.read_text()
    file.write_text(text.replace("other='other.py'", variant))


def test_an_own_schedule_must_be_declared(file):
    change_variant(file, 'train_cfg = dict(max_iters=9)')
    declare(file, 'own_labels')  # which is another thing
    with pytest.raises(ValueError, match='max_iters'):
        prepare_runs(read_experiment(file))
    file.write_text(file.read_text().replace('own_labels', 'own_schedule'))
    assert len(prepare_runs(read_experiment(file))) == 4


def test_more_labels_must_be_declared(file):
    change_variant(
        file,
        "train_dataloader = dict(dataset=dict(ann_file='annotations/"
        "train.json'))",
    )
    with pytest.raises(ValueError, match='own_labels=True'):
        prepare_runs(read_experiment(file))
    declare(file, 'own_labels')
    assert len(prepare_runs(read_experiment(file))) == 4


POOL = 'data/annotations/train.json'


@pytest.mark.parametrize(
    'stage, dataset, fair',
    [
        ('generator', f"dict(ann_file='{POOL}')", False),
        (
            'generator',
            "dict(data_root='data/', ann_file='annotations/train.json')",
            False,
        ),
        (
            'generator',
            "dict(ann_file='data/annotations/train_20.json')",
            True,
        ),
        (
            'backbone',
            f"dict(sources=[dict(ann_file='{POOL}', dataset_ids='class')])",
            False,
        ),
        (
            'backbone',
            f"dict(sources=[dict(ann_file='{POOL}', dataset_ids='image'), "
            "dict(ann_file='run/bank/annotations.json', "
            "dataset_ids='class')])",
            True,
        ),
    ],
)
def test_stages_read_labels_of_the_shots_only(file, stage, dataset, fair):
    (file.parent / 'stage.py').write_text(
        f'train_dataloader = dict(dataset={dataset})\n'
    )
    change_variant(
        file,
        "custom_hooks = [dict(type='DDPMMoCoHook', bank='run/bank')]\n"
        f"stages = dict(root='run', {stage}=dict(config='stage.py'), "
        'bank=dict(num=9))',
    )
    if not fair:
        named = f'{stage} of variant other reads the labels of .*train.json'
        with pytest.raises(ValueError, match=named):
            prepare_runs(read_experiment(file))
        declare(file, 'own_labels')
    assert len(prepare_runs(read_experiment(file))) == 4


@pytest.mark.parametrize('dataset_ids', ['folder', 'column'])
def test_folder_names_and_table_columns_are_labels(file, dataset_ids):
    images = file.parent / 'data/images'
    (file.parent / 'kinds/a').mkdir(parents=True)
    shutil.copy(images / 'train_0.png', file.parent / 'kinds/a')
    (file.parent / 'kinds.csv').write_text('file_name,kind\ntrain_0.png,a\n')
    source = dict(
        folder=dict(img_folder='kinds'),
        column=dict(
            table='kinds.csv', img_prefix='data/images', column='kind'
        ),
    )[dataset_ids]
    (file.parent / 'stage.py').write_text(
        f'sources = [dict({source}, dataset_ids={dataset_ids!r})]\n'
        'train_dataloader = dict(dataset=dict(sources=sources))\n'
    )
    change_variant(
        file, "stages = dict(root='run', backbone=dict(config='stage.py'))"
    )
    with pytest.raises(
        ValueError, match='backbone of variant other reads the la'
    ):
        prepare_runs(read_experiment(file))
    declare(file, 'own_labels')
    assert len(prepare_runs(read_experiment(file))) == 4


def test_a_test_image_in_a_table_is_found(file):
    (file.parent / 'lines.csv').write_text('file_name,line\ntest_0.png,1\n')
    (file.parent / 'stage.py').write_text(
        "sources = [dict(table='lines.csv', img_prefix='data/images', "
        "dataset_ids='column', column='line')]\n"
        'train_dataloader = dict(dataset=dict(sources=sources))\n'
    )
    change_variant(
        file, "stages = dict(root='run', backbone=dict(config='stage.py'))"
    )
    declare(file, 'own_labels')
    with pytest.raises(ValueError, match=r'leaks.*test_0\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_among_the_labeled_ones_is_found(file):
    images = {f'train_{i}.png': i % 2 for i in range(4)}
    pool = file.parent / 'data/annotations/train.json'
    write_coco(pool, {'test_1.png': 1, 'train_0.png': 0})
    with pytest.raises(ValueError, match=r'leaks.*test_1\.png'):
        prepare_runs(read_experiment(file))
    write_coco(pool, images)
    prepare_runs(read_experiment(file))


def test_a_variant_with_seeds_of_its_own_is_checked_too(file):
    """Here the reference, which alone has the lowest seed, does not leak."""
    names = [f'train_{i}.png' for i in range(4)]
    data = file.parent / 'data/annotations'
    write_coco(data / 'more.json', dict.fromkeys([*names, 'test_2.png'], 0))
    text = file.read_text().replace(
        "other='other.py'",
        "other=dict(config='other.py', seeds=[1], own_labels=True)",
    )
    file.write_text(text)
    change_variant(
        file,
        'train_dataloader = dict(dataset=dict('
        "ann_file='annotations/more.json'))",
    )
    with pytest.raises(ValueError, match=r'leaks.*test_2\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_under_another_name_is_found(file):
    images = file.parent / 'data/images'
    shutil.copy(images / 'test_0.png', images / 'renamed.png')
    write_coco(
        file.parent / 'data/annotations/train.json',
        {'renamed.png': 0, 'train_1.png': 1},
    )
    with pytest.raises(ValueError, match=r'leaks.*renamed\.png'):
        prepare_runs(read_experiment(file))


def test_a_test_image_among_the_unlabeled_ones_is_found(file):
    """Contrast sees no labels, but it must not see the images either."""
    images = file.parent / 'data/images'
    unlabeled = file.parent / 'unlabeled'
    unlabeled.mkdir()
    shutil.copy(images / 'train_0.png', unlabeled / 'a.png')
    (file.parent / 'moco.py').write_text(
        "train_dataloader = dict(dataset=dict(type='C', sources=["
        "dict(img_folder='unlabeled', dataset_ids='image')]))\n"
    )
    change_variant(
        file, "stages = dict(root='run', backbone=dict(config='moco.py'))"
    )
    prepare_runs(read_experiment(file))
    shutil.copy(images / 'test_2.png', unlabeled / 'b.png')
    with pytest.raises(ValueError, match=r'leaks.*moco\.py trains.*b\.png'):
        prepare_runs(read_experiment(file))


def test_a_seed_redraws_everything(file):
    (file.parent / 'ddpm.py').write_text(
        "train_dataloader = dict(dataset=dict(type='W', "
        "ann_file='data/annotations/train_20.json'))\n"
    )
    change_variant(
        file,
        "custom_hooks = [dict(type='DDPMMoCoHook', bank='run/bank')]\n"
        "stages = dict(root='run', generator=dict(config='ddpm.py'), "
        'bank=dict(num=9))',
    )
    prepared = {
        run.name: configs
        for run, configs in prepare_runs(read_experiment(file))
    }
    first, second = prepared['other_1_0'], prepared['other_1_1']
    roots = set()
    for seed, run in enumerate((first, second)):
        name = f'data/annotations/train_1_seed_{seed}.json'
        generator = run.stages['generator']
        assert generator.train_dataloader.dataset.ann_file == name
        assert generator.randomness.seed == seed
        assert run.detector.randomness.seed == seed
        assert run.detector.stages.bank.seed == seed
        root = run.detector.stages.root
        assert run.detector.custom_hooks[0].bank == f'{root}/bank'
        roots.add(root)
    assert len(roots) == 2
    shots = [
        json.loads(
            (
                file.parent / f'data/annotations/train_1_seed_{s}.json'
            ).read_bytes()
        )['images']
        for s in (0, 1)
    ]
    assert shots[0] != shots[1]
    assert len(shots[0]) == len(shots[1]) == 2  # one of each class


def test_the_fingerprint_follows_settings_and_images(file):
    experiment = read_experiment(file)
    run = experiment.runs(['baseline'])[0]
    write_shots(experiment, 1, 0)
    before = run_configs(experiment, run).fingerprint
    assert run_configs(experiment, run).fingerprint == before
    # Where it is run is no part of what is run.
    moved = read_experiment(file)
    object.__setattr__(moved, 'work_dir', file.parent / 'elsewhere')
    assert run_configs(moved, run).fingerprint == before
    write_coco(experiment.test_set, {'test_0.png': 0, 'test_3.png': 1})
    assert run_configs(experiment, run).fingerprint != before


@pytest.mark.parametrize(
    'old, new, named',
    [
        ("'baseline.py'", "'none.py'", 'no config none.py'),
        ("reference = 'baseline'", "reference = 'best'", "'best'"),
        ('seeds = [0, 1]', 'seeds = [0.5]', r'seeds of .*\[0\.5\]'),
        ('shots = [1]', 'shots = []', r'shots of .*\[\]'),
        ('seeds = [0, 1]', '', 'lacks seeds'),
        ('resamples', 'resample', 'unknown resample;'),
        ('resamples = 20', 'checkpoints = 0', r'checkpoints of .*\[0\]'),
        ("='other.py'", "=dict(conf='other.py')", 'variant other'),
        ("data_root = 'data'", "data_root = 'gone'", r'prepare_dataset\.py'),
    ],
)
def test_an_invalid_experiment_is_a_one_line_error(file, old, new, named):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises((ValueError, FileNotFoundError), match=named) as error:
        prepare_runs(read_experiment(file))
    assert '\n' not in str(error.value)


def test_an_unknown_variant_is_an_error_with_the_choices(file):
    with pytest.raises(
        ValueError, match='no variant bst; it has baseline, other'
    ):
        read_experiment(file).runs(['bst'])


def test_a_variant_is_not_to_leave_parts_out_by_itself(file):
    variant = file.parent / 'other.py'
    variant.write_text(
        variant.read_text() + "\nstages = dict(root='x', admission=dict())\n"
    )
    with pytest.raises(ValueError, match=r'other has stages\.admission'):
        prepare_runs(read_experiment(file))
