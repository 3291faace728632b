"""The benchmark on magnetic tiles: folds, and scores of all of them."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.magnetic_tile.experiments import (
    SHARES,
    fold_experiments,
    pool,
)
from benchmarks.magnetic_tile.folds import FOLDS, write_folds
from benchmarks.magnetic_tile.scores import false_alarms, pooled_scores
from benchmarks.magnetic_tile.table import results, table, table_of_folds
from helpers.tiny_experiment import FakeTools, write_images
from mmdet_ddpm_moco.ablation.measure import prepare_runs, run_experiment
from mmdet_ddpm_moco.ablation.records import read_records
from mmdet_ddpm_moco.evaluation.detection_matches import match_detections

KINDS = ('Blowhole', 'Break')
PARTS = ('labeled', 'unlabeled')


@pytest.fixture
def data(tmp_path):
    """60 images of 30 tiles; every third tile has a defect."""
    coco = dict(
        categories=[dict(id=i, name=k) for i, k in enumerate(KINDS, 1)],
        images=[
            dict(
                id=i,
                file_name=f'{i:02}.png',
                width=40,
                height=40,
                group=i // 2,
            )
            for i in range(1, 61)
        ],
    )
    boxed = [i for i in coco['images'] if i['group'] % 3 == 0]
    annotations = [
        dict(
            id=number,
            image_id=image['id'],
            category_id=1 + image['group'] % 2,
            bbox=[5, 5, 20, 10],
            area=200,
            iscrowd=0,
        )
        for number, image in enumerate(boxed, 1)
    ]
    folder = tmp_path / 'annotations'
    folder.mkdir()
    for number, split in enumerate(('train', 'val', 'test')):
        images = [i for i in coco['images'] if i['id'] % 3 == number]
        ids = {i['id'] for i in images}
        kept = [a for a in annotations if a['image_id'] in ids]
        part = dict(coco, images=images, annotations=kept)
        (folder / f'{split}.json').write_text(json.dumps(part))
    return tmp_path


def read(folder, *names):
    return [json.loads((folder / f'{n}.json').read_bytes()) for n in names]


def test_every_image_is_tested_once_and_no_tile_is_divided(data):
    out = write_folds(data, 0)
    (everything,) = read(out, 'all')
    tested = Counter()
    for fold in range(FOLDS):
        parts = read(out / str(fold), 'labeled', 'unlabeled', 'test')
        (both,) = read(out / str(fold), 'both')
        groups = [{i['group'] for i in part['images']} for part in parts]
        assert not groups[0] & groups[1] | groups[2] & (groups[0] | groups[1])
        names = [i['file_name'] for part in parts[:2] for i in part['images']]
        assert sorted(names) == sorted(i['file_name'] for i in both['images'])
        for part in parts:
            ids = {i['id'] for i in part['images']}
            mine = [
                a for a in everything['annotations'] if a['image_id'] in ids
            ]
            assert part['annotations'] == mine
            kinds = Counter(a['category_id'] for a in mine)
            # 20 images in 10 tiles, of each kind 5 tiles.
            assert len(kinds) == 2
            assert max(kinds.values()) <= 4
        tested.update(i['file_name'] for i in parts[2]['images'])
    assert set(tested.values()) == {1}
    assert len(tested) == 60
    other = write_folds(data, 1)
    assert read(other / '0', 'test') != read(out / '0', 'test')


def detection(image, box=(5, 5, 20, 10), kind=1, score=0.9):
    return dict(image_id=image, category_id=kind, bbox=list(box), score=score)


def slow_false_alarms(truth, found, recall):
    """Counts at each threshold; all true boxes of an image are alike."""
    boxed = {a['image_id'] for a in truth['annotations']}
    free = len(truth['images']) - len(boxed)
    for score in sorted({d['score'] for d in found}, reverse=True):
        kept = [d for d in found if d['score'] >= score]
        right = {d['image_id'] for d in kept if d['bbox'][0] == 5} & boxed
        if len(right) >= recall * len(boxed):
            alarms = sum(d['image_id'] not in boxed for d in kept)
            return alarms / free
    return float('nan')


@pytest.mark.parametrize('recall', [0.1, 0.5, 0.8, 1.0])
def test_false_alarms_by_a_slow_count(data, recall):
    file = write_folds(data, 0) / 'all.json'
    truth = json.loads(file.read_bytes())
    rng = np.random.default_rng(0)
    found = [
        detection(
            image=int(rng.integers(1, 61)),
            box=(5, 5, 20, 10) if rng.random() < 0.5 else (20, 25, 15, 15),
            kind=int(rng.integers(1, 3)),
            score=float(rng.random()),
        )
        for _ in range(150)
    ]
    matches = match_detections(file, found, by_class=False)
    expected = slow_false_alarms(truth, found, recall)
    np.testing.assert_equal(false_alarms(matches, recall), expected)


def test_a_wrong_kind_counts_where_the_kind_matters(data):
    out = write_folds(data, 0)
    (truth,) = read(out, 'all')
    found = [
        detection(a['image_id'], kind=3 - a['category_id'])
        for a in truth['annotations']
    ]
    files = []
    for number in range(2):  # of two folds
        files.append(data / f'{number}.json')
        files[-1].write_text(json.dumps(found[number::2]))
    scores = pooled_scores(out / 'all.json', files, resamples=3)
    assert scores['AP50'] == 0
    assert scores['any_kind'] == pytest.approx(100)
    assert scores['false_alarms'] == {'0.5': 0.0, '0.7': 0.0}


VARIANT = """
model = dict(type='Detector')
data = dict(data_prefix=dict(img='images/'), pipeline=[])
train_dataloader = dict(batch_size=4, dataset=dict(dataset=data))
test_dataloader = dict(dataset=data)
test_evaluator = dict(type='CocoMetric')
optim_wrapper = dict(type='OptimWrapper')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=720)
"""

HOOKS = """
custom_hooks = [
    dict(type='EMAHook'), dict(type='mmdet_ddpm_moco.DDPMMoCoHook')
]
"""

TWO_DATASETS = """
empty = dict(data, pipeline=[dict(type='LoadEmptyAnnotations')])
train_dataloader = dict(
    batch_size=4, dataset=dict(datasets=[dict(dataset=data), empty])
)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'benchmark/variants'
    folder.mkdir(parents=True)
    (folder / 'baseline.py').write_text(VARIANT)
    (folder / 'fully_supervised.py').write_text(VARIANT)
    teacher = "stages = dict(root='run', teacher=dict(unlabeled='x'))"
    (folder / 'scenes.py').write_text(VARIANT + HOOKS + teacher)
    (folder / 'kinds.py').write_text(VARIANT + HOOKS + teacher)
    shipped = 'ddpm/ddpm_unet32_1xb16-3ki_magnetic-tile.py'
    bank = (
        f"stages = dict(root='run', generator=dict(config='{shipped}'), "
        'bank=dict(num=4))'
    )
    (folder / 'bank.py').write_text(VARIANT + HOOKS + bank)
    (folder / 'softteacher.py').write_text(VARIANT + TWO_DATASETS)
    more = "_base_ = './bank.py'\nstages = dict(teacher=dict(unlabeled='x'))"
    (folder / 'scenes_bank.py').write_text(more)
    (folder / 'bank_kinds.py').write_text(more)
    (folder / 'bank_moco.py').write_text(more)
    return folder.parent


def one_missed():
    """One box of each fold's test images is missed by the baseline."""
    tools = FakeTools(baseline=1)
    tools.kept = (360, 540, 720)
    return tools


@pytest.mark.parametrize('variant', ['bank', 'scenes_bank', 'bank_kinds'])
def test_the_generator_learns_from_the_labeled_third_of_its_fold(
    data, here, variant
):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    for number, fold in enumerate(fold_experiments(here, data, 0)):
        (runs,) = [
            configs
            for run, configs in prepare_runs(fold)
            if run.variant.name == variant
        ]
        source = runs.stages['generator'].train_dataloader.dataset
        learned = json.loads(Path(source.ann_file).read_bytes())
        (labeled,) = read(data / f'annotations/folds_0/{number}', 'labeled')
        assert learned['images'] == labeled['images']
        assert Path(source.img_prefix) == data / 'images'


def test_scenes_are_drawn_half_of_the_time_by_their_share_or_never(data, here):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    for fold, share in zip(fold_experiments(here, data, 0), SHARES):
        probs = {
            run.variant.name: configs.detector.custom_hooks[1].scene_prob
            for run, configs in prepare_runs(fold)
            if configs.detector.get('stages', {}).get('teacher')
        }
        assert len(probs) == 15
        for name, prob in probs.items():
            expected = share if '_share' in name else 0.5
            never = name.startswith('bank_')
            assert prob == (0 if never else expected), name


def test_softteacher_has_the_thirds_and_the_baseline_of_its_fold(data, here):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    for number, fold in enumerate(fold_experiments(here, data, 0)):
        (cfg,) = [
            configs.detector
            for run, configs in prepare_runs(fold)
            if run.variant.name == 'softteacher'
        ]
        labeled, unlabeled = cfg.train_dataloader.dataset.datasets
        shown = json.loads((data / unlabeled.ann_file).read_bytes())
        labels = json.loads((data / labeled.dataset.ann_file).read_bytes())
        parts = read(data / f'annotations/folds_0/{number}', *PARTS)
        assert [labels['images'], shown['images']] == [
            part['images'] for part in parts
        ]
        runs = {run.variant.name: run for run, _ in prepare_runs(fold)}
        trained = fold.work_dir / 'runs' / runs['baseline'].name
        assert Path(cfg.load_from) == trained / 'iter_1080.pth'


def test_variants_are_scored_when_all_folds_are_finished(data, here):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    tools = one_missed()
    folds = fold_experiments(here, data, 0)
    only = ['baseline', 'fully_supervised']
    for fold in folds[:2]:
        run_experiment(fold, only, tools)
    pool(here, data, folds)
    assert not read_records(results(here))[0]
    assert 'No variant' in table(here)
    for fold in folds:
        run_experiment(fold, only, tools)
    for _ in range(2):  # nothing is recorded twice
        pool(here, data, folds)
    first, second = read_records(results(here))[0]
    assert (first['variant'], second['variant']) == tuple(only)
    assert len(first['folds']) == FOLDS
    # 17 of the 20 defects are found.
    assert first['any_kind'] == pytest.approx(85, abs=2)
    assert second['AP50'] == pytest.approx(100)
    row = table(here).splitlines()[-1]
    difference = second['AP50'] - first['AP50']
    assert row.startswith(
        f'| fully_supervised | 1 | 100.0 | {difference:+.1f}'
    )


def test_flips_are_scored_apart_from_one_view_of_the_same_detectors(
    data, here
):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    tools = FakeTools(baseline=1, tta=2)
    tools.kept = (360, 540, 720)
    folds = fold_experiments(here, data, 0)
    for fold in folds:
        run_experiment(fold, ['baseline', 'baseline_tta'], tools)
    assert len(tools.trained()) == FOLDS
    pool(here, data, folds)
    one_view, flips = read_records(results(here))[0]
    assert (one_view['variant'], flips['variant']) == (
        'baseline',
        'baseline_tta',
    )
    # Of the 20 defects 3 are missed, or 6.
    assert one_view['any_kind'] == pytest.approx(85, abs=2)
    assert flips['any_kind'] == pytest.approx(70, abs=2)


def test_folds_are_compared_where_both_are_measured(data, here):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    tools = one_missed()
    folds = fold_experiments(here, data, 0)
    for fold in folds:
        run_experiment(fold, ['baseline'], tools)
    for fold in folds[::2]:
        run_experiment(fold, ['fully_supervised'], tools)
    gains = []
    for fold in (0, 2):
        first, second = read_records(here / f'results/fold_{fold}.jsonl')[0]
        gains.append(second['AP50'] - first['AP50'])
    head, _, reference, row = table_of_folds(here).splitlines()
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[:5] == [
        'fully_supervised',
        f'100.0 ({gains[0]:+.1f})',
        '',  # not measured
        f'100.0 ({gains[1]:+.1f})',
        f'{np.mean(gains):+.1f}',
    ]
    low, high = map(float, cells[5].split(' … '))
    assert low <= round(np.mean(gains), 1) <= high
    assert reference.count('+') == 0
    assert len(cells) == head.count('|') - 1


def test_a_run_whose_detections_are_gone_is_not_pooled(data, here, capsys):
    write_images(data / 'images', [f'{i:02}.png' for i in range(1, 61)])
    folds = fold_experiments(here, data, 0)
    for fold in folds:
        run_experiment(fold, ['baseline'], one_missed())
    for file in folds[1].work_dir.rglob('*.bbox.json'):
        file.unlink()
    pool(here, data, folds)
    assert not read_records(results(here))[0]
    assert 'detections are gone' in capsys.readouterr().out
