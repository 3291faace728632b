"""Unfair comparisons are refused before anything is trained."""

import shutil

import pytest

from helpers.tiny_experiment import change_variant, declare
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs


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
        *(
            (
                'd = _base_.train_dataloader.dataset\n'
                'train_dataloader = dict(dataset=dict(_delete_=True, '
                f'{wrapper}, dataset=d))',
                'wrappers differs',
            )
            for wrapper in (
                "type='RepeatDataset', times=5",
                "type='ClassBalancedDataset', oversample_thr=0.5",
            )
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


def test_an_own_schedule_must_be_declared(file):
    change_variant(file, 'train_cfg = dict(max_iters=9)')
    declare(file, 'own_labels')  # which is another thing
    with pytest.raises(ValueError, match='max_iters'):
        prepare_runs(read_experiment(file))
    file.write_text(file.read_text().replace('own_labels', 'own_schedule'))
    assert len(prepare_runs(read_experiment(file))) == 4


def test_an_own_schedule_may_repeat_the_images(file):
    change_variant(
        file,
        'd = _base_.train_dataloader.dataset\n'
        'train_dataloader = dict(dataset=dict(_delete_=True, '
        "type='RepeatDataset', times=5, dataset=d))",
    )
    baseline = file.with_name('baseline.py')
    with baseline.open('a') as text:
        text.write(
            "train_dataloader['dataset'] = dict(type='RepeatDataset', "
            "times=1, dataset=train_dataloader['dataset'])\n"
        )
    other = file.with_name('other.py')
    other.write_text(
        other.read_text().replace('dataset=d))', 'dataset=d.dataset))')
    )
    with pytest.raises(ValueError, match=r'wrappers\.0\.times'):
        prepare_runs(read_experiment(file))
    declare(file, 'own_schedule')
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
