"""Teachers label images; what is done is not done again."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers.tiny_detection import CLASSES, SIZE
from helpers.tiny_teachers import Tools, detector_of, write_data
from mmdet_ddpm_moco.bank.scenes import Scenes
from mmdet_ddpm_moco.engine import teacher_predictions
from mmdet_ddpm_moco.engine.image_sets import labeled_images, unlabeled_images
from mmdet_ddpm_moco.engine.teachers import make_pseudo_labels, out_of_fold
from mmdet_ddpm_moco.engine.training_images import images_seen_before
from mmdet_ddpm_moco.evaluation.detection_matches import match_detections
from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.teacher.fusion import fuse
from mmdet_ddpm_moco.teacher.settings import TeacherOptions
from mmdet_ddpm_moco.utils.provenance import KEY, fingerprints, read_record

OPTIONS = TeacherOptions(folds=2, flips=('none', 'horizontal'))


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path)


@pytest.fixture
def config(data):
    return detector_of(data)


def sets(config, data):
    labeled = labeled_images(config)
    return labeled, unlabeled_images(
        data / 'all/train.json', data / 'all/images', labeled
    )


@pytest.mark.slow
def test_teachers_of_other_settings_are_kept(config, data):
    """Also where the tool, and no stage, is started with another option."""
    out = data / 'scenes'
    make_pseudo_labels(
        config, *sets(config, data), out, OPTIONS, command=Tools()
    )
    weights = {p.relative_to(out) for p in out.glob('teachers/*/*.pth')}
    assert weights
    other = TeacherOptions(folds=3, flips=OPTIONS.flips)
    tools = Tools()
    make_pseudo_labels(config, *sets(config, data), out, other, command=tools)
    assert tools.trained == ['0', '1', '2']
    aside = data / 'scenes.old-1'
    assert {
        p.relative_to(aside) for p in aside.glob('teachers/*/*.pth')
    } == weights


@pytest.mark.slow
def test_every_teacher_leaves_its_fold_out_and_all_label(config, data):
    tools = Tools()
    labeled, unlabeled = sets(config, data)
    for number, image in enumerate(labeled.coco['images']):
        image['group'] = number % 3
    out = data / 'scenes'
    text = make_pseudo_labels(
        config,
        labeled,
        unlabeled,
        out,
        OPTIONS,
        truth=data / 'all/train.json',
        command=tools,
    )
    assert tools.trained == ['0', '1']
    shown = [
        {
            image['file_name']
            for image in json.loads(
                (out / f'teachers/{i}/train.json').read_text()
            )['images']
        }
        for i in range(2)
    ]
    # Each image is left out by exactly one teacher.
    assert shown[0] ^ shown[1] == {f'{i}.png' for i in range(6)}
    assert not shown[0] & shown[1]
    # The others are not known to show the same parts: near duplicates stay
    # together.
    for a, b in (('0.png', '3.png'), ('1.png', '4.png'), ('2.png', '5.png')):
        assert (a in shown[0]) == (b in shown[0])
    scenes = Scenes(out)
    assert len(scenes) == 6
    assert scenes.classes == CLASSES
    assert scenes[0].path == data / 'all/images/3.png'
    # Whoever tests on any of these images is stopped.
    seen = {row[1] for row in read_record(out)['images']}
    paths = [*labeled.paths(), *unlabeled.paths()]
    assert seen == {f.content for f in fingerprints(paths).values()}
    assert '2 teachers labeled 6 images' in text
    assert '| expected recall | right | recall |' in text
    assert (out / 'report.md').read_text() == text
    assert (out / 'samples.png').is_file()

    # Started again: nothing is trained or predicted a second time.
    def not_again(*_):
        raise AssertionError

    before = (out / 'annotations.json').read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher_predictions, '_predict', not_again)
        make_pseudo_labels(
            config, labeled, unlabeled, out, OPTIONS, command=not_again
        )
    assert (out / 'annotations.json').read_bytes() == before

    # An image that has changed is looked at again, by both.
    views = []
    in_parts = teacher_predictions._in_parts
    path = data / 'all/images/5.png'
    cv2.imwrite(str(path), cv2.imread(str(path))[::-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            teacher_predictions,
            '_in_parts',
            lambda *args: views.append(args[4].stem) or in_parts(*args),
        )
        make_pseudo_labels(
            config, labeled, unlabeled, out, OPTIONS, command=not_again
        )
    assert views == ['unlabeled', 'unlabeled']

    # A teacher that is gone is trained again, the other one is not.
    shutil.rmtree(out / 'teachers/1')
    tools.trained.clear()
    make_pseudo_labels(config, labeled, unlabeled, out, OPTIONS, command=tools)
    assert tools.trained == ['1']


@pytest.mark.parametrize('hook', ['DDPMMoCoHook', 'ContrastiveInitHook'])
def test_weights_of_the_hooks_are_weights_that_it_starts_from(tmp_path, hook):
    file = tmp_path / 'backbone.pth'
    row = ['test_1.png', '0' * 16, None]
    seen = dict(format_version=1, images=[row])
    torch.save(dict(state_dict={}, meta={KEY: seen}), file)
    given = dict(type=f'mmdet_ddpm_moco.{hook}', checkpoint=str(file))
    cfg = Config(dict(custom_hooks=[given]))
    assert images_seen_before(cfg) == seen


def test_images_of_the_weights_they_start_from_are_kept(config, data):
    """Else a detector would be tested on them without a word."""
    row = ['test_1.png', '0' * 16, None]
    start = data / 'start.pth'
    seen = dict(format_version=1, images=[row])
    torch.save(dict(state_dict={}, meta={KEY: seen}), start)
    config.load_from = str(start)
    labeled, unlabeled = sets(config, data)
    out = data / 'scenes'
    options = TeacherOptions(folds=2, flips=('none',))
    make_pseudo_labels(
        config, labeled, unlabeled, out, options, command=Tools()
    )
    rows = read_record(out)['images']
    assert row in rows
    assert len(rows) == 1 + len([*labeled.paths(), *unlabeled.paths()])


def test_out_of_fold_detections_meet_their_labels(config):
    labeled = labeled_images(config)
    box = np.array([[4, 6, 16, 16]], np.float32)
    found = {
        image['id']: fuse(
            [Detections(box, np.float32([0.9]), np.array([0]))], (SIZE, SIZE)
        )
        for image in labeled.coco['images']
    }
    results = out_of_fold(labeled, found)
    dent, scratch = match_detections(labeled.ann_file, results).classes
    assert (dent.name, scratch.name) == CLASSES
    # Every other image has a dent there; the rest are scratches.
    assert dent.true_positive[0].sum() == 3
    assert len(dent.scores) == 6
    assert len(scratch.scores) == 0
