"""Scenes and their teachers: what makes them stale, and what is kept."""

import json
import shutil

import cv2
import pytest

from helpers.tiny_stages import edit, files_of, make_stages_quick
from helpers.tiny_teachers import (
    Tools,
    fresh,
    read_detector,
    write_data,
    write_detector,
)
from mmdet_ddpm_moco.bank.scenes import Scenes
from mmdet_ddpm_moco.engine import teacher_stage
from mmdet_ddpm_moco.engine.stages import check_prepared, prepare

pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture(scope='module')
def prepared_once(tmp_path_factory):
    """Scenes, made once; tests work on copies."""
    root = write_data(tmp_path_factory.mktemp('teachers'))
    file = write_detector(root)
    with pytest.MonkeyPatch.context() as patch:
        make_stages_quick(patch)
        patch.setattr(teacher_stage, 'run_logged', Tools())
        prepare(read_detector(file))
    return root


@pytest.fixture
def prepared(tmp_path, prepared_once):
    """A detector whose scenes are up to date, in its place: see
    test_stage_freshness."""
    kept = tmp_path / 'kept'
    shutil.copytree(prepared_once, kept)
    yield prepared_once / 'detector.py'
    shutil.rmtree(prepared_once)
    shutil.copytree(kept, prepared_once)


def test_what_is_made_is_made_once(prepared, tools, log):
    scenes = Scenes(prepared.parent / 'root/scenes')
    assert len(scenes) == 6
    assert fresh(prepared)
    before = files_of(prepared.parent)
    prepare(read_detector(prepared))
    check_prepared(read_detector(prepared))
    assert files_of(prepared.parent) == before
    assert tools.trained == []
    assert log[0].endswith('root/scenes is up to date, reused')


def change_labels(root):
    edit(root / 'labeled/train.json', '[4, 6, 12, 10]', '[4, 6, 12, 11]')


def change_a_labeled_image(root):
    path = str(root / 'labeled/images/2.png')
    cv2.imwrite(path, cv2.imread(path)[::-1])


def change_config(root):
    edit(root / 'detector.py', 'lr=0.0001', 'lr=0.0002')


def change_folds(root):
    edit(root / 'detector.py', 'folds=2', 'folds=3')


def change_seed(root):
    edit(root / 'detector.py', 'folds=2', 'folds=2, seed=1')


def change_options(root):
    edit(
        root / 'detector.py',
        'folds=2',
        "folds=2, options={'train_cfg.max_epochs': 2}",
    )


def change_flips(root):
    edit(root / 'detector.py', "'none',", "'none', 'vertical',")


def change_unlabeled_images(root):
    path = root / 'all/train.json'
    coco = json.loads(path.read_text())
    coco['images'].pop()
    path.write_text(json.dumps(coco))


def change_an_unlabeled_image(root):
    path = str(root / 'all/images/5.png')
    cv2.imwrite(path, cv2.imread(path)[::-1])


def lose_the_manifest(root):
    (root / 'root/scenes/scenes.json').unlink()


TEACHERS = [change_labels, change_config, change_folds, change_seed]
TEACHERS += [change_options, change_a_labeled_image]
SCENES = [change_flips, change_unlabeled_images]
SCENES += [change_an_unlabeled_image, lose_the_manifest]


@pytest.mark.parametrize('change', [*TEACHERS, *SCENES])
def test_what_is_stale_is_detected(prepared, change):
    change(prepared.parent)
    assert not fresh(prepared)


def test_what_is_not_read_makes_nothing_stale(prepared):
    """Annotations of unlabeled images, and how the detector is trained."""
    edit(prepared.parent / 'all/train.json', '[4, 6, 12, 10]', '[1, 1, 2, 2]')
    assert fresh(prepared)
    assert fresh(prepared, **{'train_cfg.max_epochs': 7, 'randomness.seed': 3})


@pytest.mark.slow
@pytest.mark.parametrize('change', [change_config, change_labels])
def test_teachers_of_other_settings_are_set_aside(
    prepared, tools, log, change
):
    root = prepared.parent / 'root'
    before = files_of(root / 'scenes')
    change(prepared.parent)
    prepare(read_detector(prepared))
    assert fresh(prepared)
    assert tools.trained == ['0', '1']
    assert files_of(root / 'scenes.old-1') == before
    assert any('kept as' in line for line in log)


@pytest.mark.slow
@pytest.mark.parametrize('change', SCENES)
def test_scenes_are_made_again_by_the_teachers_that_are_there(
    prepared, tools, change
):
    root = prepared.parent / 'root'
    weights = (root / 'scenes/teachers/0/epoch_1.pth').read_bytes()
    change(prepared.parent)
    prepare(read_detector(prepared))
    assert fresh(prepared)
    assert tools.trained == []
    assert not (root / 'scenes.old-1').exists()
    assert (root / 'scenes/teachers/0/epoch_1.pth').read_bytes() == weights
