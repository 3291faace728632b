"""The whole evaluation, on synthetic images, with a small extractor."""

import copy
import json

import cv2
import pytest
import torch
from torch import nn

from helpers.made_bank import (
    CLASSES,
    BrightJudge,
    load,
    write_bank,
    write_images,
)
from mmdet_ddpm_moco.evaluation.evaluate_bank import (
    evaluate_bank,
    write_report,
)
from mmdet_ddpm_moco.evaluation.features import FeatureExtractor


class Patches(nn.Module):
    """Mean colors of a few patches."""

    def forward(self, x):
        pooled = nn.functional.adaptive_avg_pool2d(x, 4)
        return (pooled.flatten(1)[..., None, None],)


def extractor():
    classifier = nn.Linear(48, 5)
    return FeatureExtractor(
        Patches(), (127.5,) * 3, (127.5,) * 3, 'Patches', 16, classifier
    )


def scores(first, second):
    dent, scratch = CLASSES
    classes = {
        dent: dict(AP=first, AP50=2 * first),
        # None of the held-out images shows one.
        scratch: dict(AP=None, AP50=None),
    }
    return dict(AP=second, AP50=2 * second, AP75=0.0, classes=classes)


TRAINED = dict(
    images=7, boxes=9, judge=scores(12.34, 15.0), bank=scores(6.0, 7.0)
)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('made')
    torch.manual_seed(0)
    paths = write_images(root / 'data')
    return dict(
        root=root,
        paths=paths,
        bank=write_bank(root / 'bank', paths[1]),
        data=load(paths),
        held_out=load(write_images(root / 'held_out', 14, 50)),
    )


@pytest.fixture(scope='module')
def report(made):
    return evaluate_bank(
        made['bank'],
        made['data'],
        made['held_out'],
        extractor(),
        made['root'] / 'out',
        judge=BrightJudge(),
    )


def test_all_files_are_written(made, report):
    out = made['root'] / 'out'
    assert sorted(f.name for f in out.iterdir()) == [
        'neighbors.png',
        'report.json',
        'report.md',
        'spectrum.png',
    ]
    assert json.loads((out / 'report.json').read_bytes()) == report


def test_counts(report):
    assert report['windows'] == {
        'in_bank': 48,
        'evaluated': 48,
        'synthesized': 36,
        'training': 24,
        'held-out': 28,
    }
    overall = report['distributions']['all']['overall']
    assert overall['counts'] == dict(bank=36, real=28)
    replaced = report['distributions']['replaces']
    assert replaced['dent']['counts'] == dict(bank=0, real=14)
    assert replaced['scratch']['counts'] == dict(bank=12, real=14)


def test_training_windows_are_compared_in_place_of_the_bank(report):
    trained = report['distributions']['training']
    assert trained['overall']['counts'] == dict(bank=24, real=28)
    assert report['spectrum']['training']['dent'] is None  # 7 to a half
    assert report['spectrum']['training']['overall']['n'] == 14


def test_the_judge_agrees(report):
    agreement = report['label_agreement']
    assert agreement['add']['overall']['relative_recall'] == 1
    assert agreement['null'] == dict(
        n=12, false_positive_rate=0, host_false_positive_rate=0
    )


def test_every_number_is_in_the_text(made, report):
    text = (made['root'] / 'out' / 'report.md').read_text()
    for name in (*CLASSES, 'overall'):
        for kind in ('all', 'add', 'replaces'):
            row = report['distributions'][kind][name]
            counts = row['counts']
            start = f'| {name} | {counts["bank"]} | {counts["real"]} | '
            figure = row['all'] and f'{row["all"]["frechet_distance"]:.1f}'
            assert f'{start}{figure or "-"} |' in text
    assert 'Fréchet distance (Patches)' in text and 'FID' not in text
    assert '**28 windows for 48 features**' in text
    assert 'training images themselves' not in text
    assert 'false positive rate 0.00 of 12' in text


def test_a_training_on_the_bank_joins_the_report(report, tmp_path):
    write_report(dict(report, trained_on_bank=TRAINED), tmp_path)
    text = (tmp_path / 'report.md').read_text()
    assert '9 synthesized defects in 7 images' in text
    dent, scratch = CLASSES
    assert f'| {dent} | 24.7 | 12.0 | 12.3 | 6.0 |' in text
    assert f'| {scratch} | - | - | - | - |' in text
    assert '| overall | 30.0 | 14.0 | 15.0 | 7.0 |' in text
    kept = json.loads((tmp_path / 'report.json').read_bytes())
    assert kept['trained_on_bank'] == TRAINED


def test_without_held_out_images_and_judge(made):
    report = evaluate_bank(
        made['bank'],
        made['data'],
        None,
        extractor(),
        made['root'] / 'out2',
        max_windows=30,
    )
    assert report['windows']['evaluated'] == 30
    assert report['label_agreement'] is None and not report['held_out']
    assert 'training' not in report['distributions']
    text = (made['root'] / 'out2' / 'report.md').read_text()
    assert '**Compared with the training images themselves**' in text
    assert 'Label agreement' not in text
    assert 'Train on synthetic' not in text


def test_too_few_windows(made, tmp_path):
    bank = write_bank(tmp_path / 'bank', made['paths'][1], number=2)
    with pytest.raises(ValueError, match='6 synthesized windows') as error:
        evaluate_bank(bank, made['data'], None, extractor(), tmp_path / 'out')
    assert 'at least 8' in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_real_images_of_other_classes(made, tmp_path):
    other = load(write_images(tmp_path / 'o', classes=('dent', 'pit')))
    with pytest.raises(ValueError, match='the real images have the classes'):
        evaluate_bank(
            made['bank'], made['data'], other, extractor(), tmp_path / 'out'
        )


@pytest.mark.parametrize(
    'options',
    [
        dict(iou=0),
        dict(iou=1.1),
        dict(score=-0.1),
        dict(score=2),
        dict(max_windows=3),
    ],
)
def test_options_out_of_range(made, tmp_path, options):
    with pytest.raises(ValueError, match='must'):
        evaluate_bank(
            made['bank'],
            made['data'],
            None,
            extractor(),
            tmp_path / 'out',
            **options,
        )


def test_held_out_images_among_the_training_images(made, tmp_path):
    again = load(made['paths'])
    with pytest.raises(ValueError, match='12 of the real images') as error:
        evaluate_bank(
            made['bank'], made['data'], again, extractor(), tmp_path / 'out'
        )
    assert '0.png' in str(error.value)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_copies_of_training_images_are_not_held_out(made, tmp_path, suffix):
    ann, images = write_images(tmp_path / 'other', 14, 50)
    data = json.loads(ann.read_bytes())
    original = made['paths'][1] / '3.png'
    copy_ = images / f'copy{suffix}'
    if suffix == '.png':
        copy_.write_bytes(original.read_bytes())
    else:
        cv2.imwrite(str(copy_), cv2.imread(str(original)))
    data['images'][5]['file_name'] = copy_.name
    ann.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r'^1 of the real images') as error:
        evaluate_bank(
            made['bank'],
            made['data'],
            load((ann, images)),
            extractor(),
            tmp_path / 'out',
        )
    assert f'{copy_} for one (seen as 3.png)' in str(error.value)


def test_the_same_each_time(made, report, tmp_path):
    again = evaluate_bank(
        made['bank'],
        made['data'],
        made['held_out'],
        extractor(),
        tmp_path / 'out',
        judge=BrightJudge(),
    )
    first, second = copy.deepcopy(report), copy.deepcopy(again)
    _without_logits(first)
    _without_logits(second)
    assert first == second


def _without_logits(part):
    """The classifier is a new one each time."""
    for key in [k for k in part if k.startswith('inception_score')]:
        del part[key]
    for value in part.values():
        if isinstance(value, dict):
            _without_logits(value)
