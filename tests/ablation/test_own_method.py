"""Another way to train the same detector, as a competitor."""

import pytest

from helpers.tiny_experiment import make_experiment
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs

# As a semi-supervised detector has it: labels of the shots, all images.
SEMI = """
source = dict(type='Coco', data_root='data/', data_prefix=dict(img='images/'))
labeled = dict(source, ann_file='annotations/train_20.json',
               pipeline=[dict(type='LoadAnnotations')])
unlabeled = dict(source, ann_file='annotations/train.json',
                 pipeline=[dict(type='LoadEmptyAnnotations')])
model = dict(_delete_=True, type='SoftTeacher', detector=_base_.model)
train_dataloader = dict(_delete_=True, batch_size=4, dataset=dict(
    type='ConcatDataset', datasets=[labeled, unlabeled]))
train_cfg = dict(max_iters=360)
load_from = 'runs/baseline_{shots}_{seed}/iter_360.pth'
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = make_experiment(tmp_path)
    change(file.parent / 'other.py', SEMI)
    return file


def change(path, text):
    path.write_text(path.read_text() + text)


def declare(file):
    variant = "other=dict(config='other.py', own_method=True)"
    text = file.read_text()
    file.write_text(text.replace("other='other.py'", variant))


def test_another_method_must_be_declared(file):
    with pytest.raises(ValueError, match=r'no fair comparison'):
        prepare_runs(read_experiment(file))
    declare(file)
    prepared = {run.name: c for run, c in prepare_runs(read_experiment(file))}
    cfg = prepared['other_1_1'].detector
    labeled, unlabeled = cfg.train_dataloader.dataset.datasets
    assert labeled.ann_file == 'annotations/train_1_seed_1.json'
    assert unlabeled.ann_file == 'annotations/train.json'
    assert cfg.load_from == 'runs/baseline_1_1/iter_360.pth'


@pytest.mark.parametrize(
    'text, message',
    [
        ("train_dataloader['batch_size'] = 8", 'batch_size'),
        ('optim_wrapper = dict(optimizer=dict(lr=1e-2))', 'optimizer.lr'),
        (
            "unlabeled['pipeline'] = [dict(type='LoadAnnotations')]",
            'own_labels=True',
        ),
    ],
)
def test_what_must_be_equal_all_the_same(file, text, message):
    declare(file)
    change(file.parent / 'other.py', text)
    with pytest.raises(ValueError, match=message):
        prepare_runs(read_experiment(file))


def test_unlabeled_images_must_not_be_tested(file):
    declare(file)
    path = file.parent / 'other.py'
    path.write_text(
        path.read_text().replace(
            "'annotations/train.json'", "'annotations/test.json'"
        )
    )
    with pytest.raises(ValueError, match=r'leaks.*test_0\.png'):
        prepare_runs(read_experiment(file))
