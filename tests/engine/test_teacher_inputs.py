"""Images and labels of other tools: taken, or refused before any training."""

import json
import shutil

import numpy as np
import pytest

from helpers.tiny_detection import CLASSES, SIZE
from helpers.tiny_teachers import detector_of, write_data
from mmdet_ddpm_moco.bank.scenes import Scenes
from mmdet_ddpm_moco.engine import teachers
from mmdet_ddpm_moco.engine.image_sets import labeled_images, unlabeled_images
from mmdet_ddpm_moco.engine.teacher_predictions import (
    _read_predictions,
    _write_predictions,
)
from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.teacher.defects import common_prefix
from mmdet_ddpm_moco.teacher.settings import TeacherOptions

OPTIONS = TeacherOptions(folds=2, flips=('none',))
# The first is where the tiny images have their defect.
BOXES = np.float32([[4, 6, 16, 16], [30, 6, 42, 16], [4, 40, 16, 50]])


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path)


class Teachers:
    """In place of trained ones: each finds boxes of each class everywhere."""

    def __init__(self, patch):
        self.classes = []
        patch.setattr(teachers, 'train_to_end', lambda file, *_: file)
        patch.setattr(teachers, 'predictions', self)

    def __call__(self, detector, classes, images, *_):
        self.classes.append(tuple(classes))
        number = len(classes)
        view = Detections(
            np.repeat(BOXES, number, axis=0),
            np.repeat(np.float32([0.9, 0.5, 0.4]), number),
            np.tile(np.arange(number), len(BOXES)),
        )
        return [[view] for _ in images]


def rewrite(file, change):
    coco = json.loads(file.read_text())
    change(coco)
    file.write_text(json.dumps(coco))


def label(data, source=None, prefix=None, **options):
    """Scenes and ``defects.json`` of the images in `data`."""
    cfg = detector_of(data)
    labeled = labeled_images(cfg)
    unlabeled = unlabeled_images(
        source or data / 'all/train.json',
        prefix or data / 'all/images',
        labeled,
    )
    teachers.make_pseudo_labels(
        cfg, labeled, unlabeled, data / 'scenes', OPTIONS, **options
    )
    known = json.loads((data / 'scenes/defects.json').read_text())
    folder = common_prefix([labeled.prefix, unlabeled.prefix])
    return Scenes(data / 'scenes'), known, folder


def assert_found(scenes, known, folder):
    """Images are there, and a window's by the end of a scene's path."""
    names = [i['file_name'] for i in known['images']]
    assert all((folder / name).is_file() for name in names)
    paths = [f'/{scenes[i].path.as_posix()}' for i in range(len(scenes))]
    assert len(paths) == 6
    for path, name in zip(paths, names[-6:], strict=True):
        assert path.endswith(f'/{name}')


def test_labels_numbered_from_0_are_worth_as_much(data, monkeypatch):
    """No box with the id 0 would ever be found."""
    Teachers(monkeypatch)
    scenes, _, _ = label(data)
    expected = [scenes[i].probabilities for i in range(len(scenes))]

    def from_0(coco):
        for number, annotation in enumerate(coco['annotations']):
            annotation['id'] = number

    rewrite(data / 'labeled/train.json', from_0)
    shutil.rmtree(data / 'scenes')
    Teachers(monkeypatch)
    scenes, known, _ = label(data)
    found = [scenes[i].probabilities for i in range(len(scenes))]
    np.testing.assert_array_equal(found, expected)
    assert known['annotations'][0]['id'] == 0


def test_absolute_names_and_ids_that_are_no_numbers(data, monkeypatch):
    def change(coco):
        for image in coco['images']:
            path = data / 'all/images' / image['file_name']
            image.update(id=f'shot {image["id"]}', file_name=str(path))

    rewrite(data / 'all/train.json', change)
    Teachers(monkeypatch)
    # Not below the folder that names of labels start from.
    found = label(data, prefix=data / 'labeled/images')
    assert_found(*found)
    ids = [i['id'] for i in found[1]['images']]
    assert len(set(ids)) == len(ids)


def test_a_folder_behind_a_link(data, monkeypatch):
    (data / 'link').symlink_to(data / 'all/images')
    Teachers(monkeypatch)
    assert_found(*label(data, data / 'link'))


def test_labels_of_another_tool(data, monkeypatch):
    """A super-category that no detector has, no ``iscrowd``, other ids."""

    def change(coco):
        coco['categories'].insert(0, dict(id=0, name='defects'))
        for annotation in coco['annotations']:
            del annotation['iscrowd']

    rewrite(data / 'labeled/train.json', change)
    truth = data / 'all/train.json'
    rewrite(truth, change)
    rewrite(truth, lambda coco: coco['annotations'][0].update(id='a'))
    rewrite(truth, lambda coco: coco['annotations'][7].update(id=0))
    found = Teachers(monkeypatch)
    scenes, known, _ = label(data, truth=truth)
    assert set(found.classes) == {CLASSES}
    shown = json.loads((data / 'scenes/teachers/0/train.json').read_text())
    assert [c['id'] for c in shown['categories']] == [1, 2]
    assert scenes.classes == CLASSES
    # Half of the surest boxes of either class are right, all of them here.
    for index in range(len(scenes)):
        sure = scenes[index].probabilities >= 0.5
        assert scenes[index].labels[sure].tolist() == [0, 1]
        np.testing.assert_array_equal(
            scenes[index].boxes[sure], np.repeat(BOXES[:1], 2, axis=0)
        )
    rows = json.loads((data / 'scenes/report.json').read_text())
    assert [row['true_right'] for row in rows] == [3, 3]
    # A generator has the categories of the labels, with scenes or without.
    assert [c['id'] for c in known['categories']] == [0, 1, 2]
    assert {a['category_id'] for a in known['annotations']} == {1, 2}


def larger(coco):
    coco['images'][3]['width'] = SIZE + 1


def text_id(coco):
    coco['annotations'][3]['id'] = 'b7'


def other_class(coco):
    coco['categories'][1]['name'] = 'Scratch'


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        (larger, r'3\.png is loaded with 64x64 .* has 65x64 in .*train\.json'),
        (text_id, r"train\.json has the id 'b7' among its annotations"),
        (other_class, 'categories dent, Scratch, but not scratch of the det'),
    ],
)
def test_labels_that_are_refused(data, change, complaint):
    rewrite(data / 'labeled/train.json', change)
    assert_refused(data, complaint, ValueError)


@pytest.mark.parametrize('part', ['labeled', 'all'])
def test_an_image_that_cannot_be_read(data, part):
    path = data / part / 'images/5.png'
    path.write_bytes(path.read_bytes()[:-2000])
    assert_refused(data, f'{part}/images/5.png is no image', ValueError)


def test_a_labeled_image_that_is_missing(data):
    (data / 'labeled/images/5.png').unlink()
    assert_refused(data, r'images/5\.png is missing', FileNotFoundError)


@pytest.mark.parametrize(
    ('change', 'complaint'),
    [
        (
            other_class,
            r'truth\.json, which should be the truth, has no scratch',
        ),
        (lambda coco: coco.pop('images'), 'is no COCO json: KeyError'),
        (None, r'no annotations at .*truth\.json'),
    ],
)
def test_a_truth_that_is_refused(data, change, complaint):
    truth = data / 'truth.json'
    if change is not None:
        shutil.copy(data / 'all/train.json', truth)
        rewrite(truth, change)
    kind = FileNotFoundError if change is None else ValueError
    assert_refused(data, complaint, kind, truth=truth)


def assert_refused(data, complaint, kind, **options):
    """With one line, and before a teacher is trained."""

    def trained(*_, **__):
        raise AssertionError

    with pytest.raises(kind, match=complaint) as error:
        label(data, command=trained, **options)
    assert '\n' not in str(error.value)


def test_predictions_cut_short_are_made_anew(tmp_path):
    file = tmp_path / 'unlabeled.npz'
    view = Detections(BOXES, np.float32([0.9, 0.5, 0.4]), np.arange(3))
    _write_predictions(file, 'key', [view])
    (found,) = _read_predictions(file, 'key')
    np.testing.assert_array_equal(found.boxes, BOXES)
    file.write_bytes(file.read_bytes()[:-40])
    assert _read_predictions(file, 'key') is None
