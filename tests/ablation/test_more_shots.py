"""Further numbers of labeled images, and the whole pool."""

import json

import pytest

from helpers.tiny_experiment import FakeTools, measured
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs, run_experiment
from mmdet_ddpm_moco.ablation.table import table


def add(file, text):
    with file.open('a') as experiment:
        experiment.write(text)


def test_some_variants_on_further_numbers_of_images(file):
    before = {
        run.name: configs.fingerprint
        for run, configs in prepare_runs(read_experiment(file))
    }
    add(
        file,
        "more_shots = [dict(shots=[3, 2], variants=['baseline'], seeds=[1])]",
    )
    experiment = read_experiment(file)
    runs = {run.name: c for run, c in prepare_runs(experiment)}
    assert list(runs) == [
        'baseline_1_0',
        'other_1_0',
        'baseline_1_1',
        'other_1_1',
        'baseline_2_1',
        'baseline_3_1',
    ]
    # What was measured stays measured.
    assert (
        before.items()
        <= {
            name: configs.fingerprint for name, configs in runs.items()
        }.items()
    )
    assert [r.name for r in experiment.runs(['other'])] == [
        'other_1_0',
        'other_1_1',
    ]
    run_experiment(experiment, command=FakeTools(other=1))
    text = table(experiment, list(measured(experiment).values()))
    scores = text.split('\n\n')[1].splitlines()[2:]
    assert [row.split(' | ')[:3] for row in scores] == [
        ['| baseline', '1', '2'],
        ['| other', '1', '2'],
        ['| baseline', '2', '1'],
        ['| baseline', '3', '1'],
    ]


@pytest.mark.parametrize(
    'item, message',
    [
        ("dict(shots=[2], variants=['baseline'])", 'must be a dict with'),
        (
            "dict(shots=[2], variants=['unknown'], seeds=[0])",
            'names unknown, which is none',
        ),
        ("dict(shots=[0], variants=['other'], seeds=[0])", 'at least 1'),
        ("dict(shots=[2], variants=['other'], seeds='0')", 'seeds of'),
    ],
)
def test_invalid_further_numbers(file, item, message):
    add(file, f'more_shots = [{item}]')
    with pytest.raises(ValueError, match=message) as error:
        read_experiment(file)
    assert '\n' not in str(error.value)


def test_all_images_of_the_pool_can_be_labeled(file):
    pool = file.parent / 'data/annotations/train.json'
    coco = json.loads(pool.read_bytes())
    # Defect-free images are labeled, too.
    coco['annotations'] = coco['annotations'][:-1]
    pool.write_text(json.dumps(coco))
    file.write_text(file.read_text().replace('[1]', "['all']"))
    (run, configs), *_ = prepare_runs(read_experiment(file))
    assert run.name == 'baseline_all_0'
    drawn = configs.detector.train_dataloader.dataset.ann_file
    assert json.loads((file.parent / 'data' / drawn).read_bytes()) == coco
