"""Windows that were synthesized on a scene."""

import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from helpers.made_bank import (
    CLASSES,
    SIZE,
    WINDOWS,
    write_bank,
    write_images,
)
from mmdet_ddpm_moco.bank.scenes import write_scenes
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    ORIGINS,
    DiffusionDefectAugment,
)


@pytest.fixture
def make(tmp_path):
    """Makes the transform on scenes of the boxes of made_bank.

    The bank has its four windows on each scene and on no labeled image.
    """
    ann_file, images = write_images(tmp_path, number=2)

    def make(windows=(0, 1, 2, 3), probability=1.0):
        coco = json.loads(ann_file.read_bytes())
        for annotation in coco['annotations']:
            annotation['probability'] = probability
        write_scenes(tmp_path / 'scenes', coco, images, {})
        write_bank(tmp_path / 'bank', images, [WINDOWS[i] for i in windows], 2)
        return DiffusionDefectAugment(
            str(tmp_path / 'bank'),
            prob=1.0,
            classes=CLASSES,
            scenes=str(tmp_path / 'scenes'),
            scene_prob=1.0,
        )

    return make


def sample():
    return dict(
        img=np.zeros((*SIZE, 3), np.uint8),
        img_path='labeled.png',
        img_shape=SIZE,
        ori_shape=SIZE,
        gt_bboxes=HorizontalBoxes(torch.zeros(1, 4)),
        gt_bboxes_labels=np.array([0]),
        gt_ignore_flags=np.array([False]),
    )


def run(augment):
    results = augment(sample())
    origins = [ORIGINS[i] for i in results['box_origins']]
    assert len(origins) == len(results['gt_bboxes_labels'])
    return results, origins


def test_a_window_is_added_to_a_scene(make):
    results, origins = run(make(windows=[0]))
    assert origins == ['scene', 'scene', 'add']
    assert results['gt_bboxes'].numpy()[-1].tolist() == [39, 39, 49, 49]
    assert (results['img'][39:49, 39:49] == 250).all()
    before = cv2.imread(results['img_path'])
    assert (results['img'][:30] == before[:30]).all()


def test_a_pseudo_label_is_varied_where_it_is_there(make):
    augment = make(windows=[1], probability=0.5)
    seen = set()
    np.random.seed(0)
    with warnings.catch_warnings():
        # A box that is not there is nothing that was done wrong.
        warnings.simplefilter('error')
        for _ in range(40):
            results, origins = run(augment)
            scratch = results['gt_bboxes_labels'] == 1
            painted = (results['img'][8:24, 40:46] == 250).all()
            assert painted == scratch.any()
            assert ('replaces' in origins) == painted
            seen.add(bool(painted))
    assert seen == {True, False}


def test_windows_of_a_labeled_image_of_the_same_name_are_not_pasted(make):
    """Two cameras may number their images alike."""
    augment = make(windows=[0, 3])
    rng = np.random.default_rng(1)
    for path in augment.scene_swap.scenes.img_prefix.glob('*.png'):
        cv2.imwrite(str(path), rng.integers(0, 90, (*SIZE, 3), np.uint8))
    results, origins = run(augment)
    assert origins == ['scene', 'scene']
    np.testing.assert_array_equal(
        results['img'], cv2.imread(results['img_path'])
    )
