"""Teachers label images; what is done is not done again."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.tiny_detection import (
    CLASSES,
    LOAD,
    PACK,
    SIZE,
    coco,
    detector_config,
    faster_rcnn,
    write_images,
)
from mmdet_ddpm_moco.bank.scenes import Scenes
from mmdet_ddpm_moco.engine import teachers
from mmdet_ddpm_moco.engine.teachers import (
    ImageSet,
    TeacherOptions,
    labeled_images,
    make_pseudo_labels,
    out_of_fold,
    unlabeled_images,
)
from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.teacher.fusion import fuse
from mmdet_ddpm_moco.utils.provenance import fingerprints, read_record

OPTIONS = TeacherOptions(folds=2, flips=('none', 'horizontal'))


class Tools:
    """Runs the tools in this process, which is faster; counts them."""

    def __init__(self):
        self.trained = []

    def __call__(self, command, log, on_line=None):
        self.trained.append(Path(command[2]).parent.name)
        argv, sys.argv = sys.argv, command[1:]
        try:
            runpy.run_path(command[1])['main']()
        finally:
            sys.argv = argv
        return 1.0


@pytest.fixture
def data(tmp_path):
    """Six labeled images and nine others, of which three are labeled too."""
    write_images(tmp_path / 'labeled', 6)
    write_images(tmp_path / 'all', 9)
    for path in (tmp_path / 'all/images').iterdir():
        if int(path.stem) >= 3:
            pixels = np.random.RandomState(50 + int(path.stem))
            shape = (SIZE, SIZE)
            cv2.imwrite(
                str(path), pixels.randint(0, 255, shape).astype(np.uint8)
            )
    return tmp_path


@pytest.fixture
def config(data):
    """A detector's config as its file would give it."""
    root = data / 'labeled'
    pipeline = [*LOAD[:1], dict(type='Resize', scale=(SIZE, SIZE)), PACK]
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(coco(root, [PACK]), test_mode=True, pipeline=pipeline),
    )
    return detector_config(
        root,
        data / 'run',
        model=faster_rcnn(),
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=dict(
            type='CocoMetric', ann_file=str(root / 'train.json')
        ),
    )


def sets(config, data):
    labeled = labeled_images(config)
    return labeled, unlabeled_images(
        data / 'all/train.json', data / 'all/images', labeled
    )


def test_labeled_images_are_left_out_by_their_contents(config, data):
    _, unlabeled = sets(config, data)
    names = [image['file_name'] for image in unlabeled.coco['images']]
    assert names == [f'{i}.png' for i in range(3, 9)]
    # Nobody may learn from labels that should not be there.
    assert unlabeled.coco['annotations'] == []


def test_a_folder_of_images_will_do(config, data):
    labeled, expected = sets(config, data)
    found = unlabeled_images(data / 'all/images', None, labeled)
    assert [
        (i['file_name'], i['width'], i['height']) for i in found.coco['images']
    ] == [(i['file_name'], SIZE, SIZE) for i in expected.coco['images']]
    assert [*found.paths()] == [*expected.paths()]


def test_nothing_left_to_label_is_told(config, data):
    labeled = labeled_images(config)
    with pytest.raises(ValueError, match='labeled already'):
        unlabeled_images(data / 'labeled/images', None, labeled)


@pytest.mark.slow
def test_every_teacher_leaves_its_fold_out_and_all_label(config, data):
    tools = Tools()
    labeled, unlabeled = sets(config, data)
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
    scenes = Scenes(out)
    assert len(scenes) == 6
    assert scenes.classes == CLASSES
    assert scenes[0].path == data / 'all/images/3.png'
    # Whoever tests on any of these images is stopped.
    seen = {row[1] for row in read_record(out)['images']}
    paths = [*labeled.paths(), *unlabeled.paths()]
    assert seen == {f.content for f in fingerprints(paths).values()}
    assert '2 teachers labeled 6 images' in text
    assert 'true precision' in text
    assert (out / 'report.md').read_text() == text
    assert (out / 'samples.png').is_file()

    # Started again: nothing is trained or predicted a second time.
    def not_again(*_):
        raise AssertionError

    before = (out / 'annotations.json').read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teachers, '_predict', not_again)
        make_pseudo_labels(
            config, labeled, unlabeled, out, OPTIONS, command=not_again
        )
    assert (out / 'annotations.json').read_bytes() == before

    # A teacher that is gone is trained again, the other one is not.
    shutil.rmtree(out / 'teachers/1')
    tools.trained.clear()
    make_pseudo_labels(config, labeled, unlabeled, out, OPTIONS, command=tools)
    assert tools.trained == ['1']


def test_out_of_fold_detections_meet_their_labels(config):
    labeled = labeled_images(config)
    box = np.array([[4, 6, 16, 16]], np.float32)
    found = {
        image['id']: fuse(
            [Detections(box, np.float32([0.9]), np.array([0]))], (SIZE, SIZE)
        )
        for image in labeled.coco['images']
    }
    dent, scratch = out_of_fold(labeled, found).classes
    assert (dent.name, scratch.name) == CLASSES
    # Every other image has a dent there; the rest are scratches.
    assert dent.true_positive[0].sum() == 3
    assert len(dent.scores) == 6
    assert len(scratch.scores) == 0


@pytest.mark.parametrize('flips', [(), ('none', 'turned')])
def test_unknown_flips_are_told(flips):
    with pytest.raises(ValueError, match='flips must be some of none'):
        TeacherOptions(flips=flips)


def test_missing_annotations_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'prepare_dataset\.py'):
        ImageSet.read(tmp_path / 'none.json', tmp_path)
