"""The configs of a run: what its seed draws, what its fingerprint is of."""

import json

import pytest

from helpers.tiny_experiment import change_variant, write_coco
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs
from mmdet_ddpm_moco.ablation.run_configs import run_configs
from mmdet_ddpm_moco.ablation.shots import write_shots


@pytest.mark.parametrize('spelled', ['run', 'run/', './run'])
def test_a_seed_redraws_everything(file, spelled):
    (file.parent / 'ddpm.py').write_text(
        "train_dataloader = dict(dataset=dict(type='W', "
        "ann_file='data/annotations/train_20.json'))\n"
    )
    change_variant(
        file,
        "custom_hooks = [dict(type='DDPMMoCoHook', bank='run/bank')]\n"
        f"stages = dict(root='{spelled}', generator=dict(config='ddpm.py'), "
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


def test_stages_without_a_root_are_refused(file):
    change_variant(
        file,
        "stages = dict(teacher=dict(unlabeled='data/annotations/train.json'))",
    )
    with pytest.raises(ValueError, match=r'variant other have no root='):
        prepare_runs(read_experiment(file))
