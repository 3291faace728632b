import cv2
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from mmdet_ddpm_moco.bank.scenes import write_scenes
from mmdet_ddpm_moco.datasets.transforms.scene_swap import SceneSwap

SIZE = (40, 60)


@pytest.fixture
def scenes(tmp_path):
    """A scene with a sure box and an unsure one, and one without a box."""
    rng = np.random.default_rng(0)
    (tmp_path / 'img').mkdir()
    for i in range(2):
        pixels = rng.integers(0, 255, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'img/{i}.png'), pixels)
    annotation = dict(category_id=2, probability=1)
    write_scenes(
        tmp_path / 'scenes',
        dict(
            images=[dict(id=i, file_name=f'{i}.png') for i in range(2)],
            annotations=[
                dict(annotation, image_id=0, bbox=[2, 3, 10, 12]),
                dict(
                    annotation,
                    image_id=0,
                    bbox=[40, 20, 15, 15],
                    probability=0.3,
                ),
            ],
            categories=[dict(id=1, name='pit'), dict(id=2, name='rust')],
        ),
        tmp_path / 'img',
        {},
    )
    return str(tmp_path / 'scenes')


def sample(channels=3):
    return dict(
        img=np.zeros((20, 30, channels), np.uint8),
        img_path='x.png',
        img_shape=(20, 30),
        ori_shape=(20, 30),
        height=20,
        width=30,
        gt_bboxes=HorizontalBoxes(torch.zeros(1, 4)),
        gt_bboxes_labels=np.array([0]),
        gt_ignore_flags=np.array([False]),
    )


def test_a_swapped_sample_is_the_scene(scenes, tmp_path):
    results = sample()
    assert SceneSwap(scenes, 1.0, classes=('rust', 'x', 'pit'))(results)
    pixels = cv2.imread(str(tmp_path / 'img/0.png'))
    np.testing.assert_array_equal(results['img'], pixels)
    assert results['img_path'] == str(tmp_path / 'img/0.png')
    assert results['img_shape'] == results['ori_shape'] == SIZE
    assert (results['height'], results['width']) == SIZE
    np.testing.assert_array_equal(
        results['gt_bboxes'].numpy()[0], [2, 3, 12, 15]
    )
    # The data set has its own order of the names.
    assert set(results['gt_bboxes_labels']) == {0}
    assert results['gt_bboxes_labels'].dtype == np.int64
    assert not results['gt_ignore_flags'].any()
    assert results['gt_ignore_flags'].dtype == bool


@pytest.mark.parametrize('channels', [1, 3])
def test_pixels_have_the_form_of_the_samples(scenes, channels):
    results = sample(channels)
    assert SceneSwap(scenes, 1.0)(results)
    assert results['img'].shape == (*SIZE, channels)
    assert results['img'].dtype == np.uint8


def test_the_probability_holds_and_can_be_changed_meanwhile(scenes):
    np.random.seed(0)
    swap = SceneSwap(scenes, 0.3)
    assert 0.24 < np.mean([swap(sample()) for _ in range(600)]) < 0.36
    assert swap.prob.is_shared()
    swap.prob.fill_(0)
    assert not any(swap(sample()) for _ in range(50))


def test_a_sample_that_is_not_swapped_is_left_alone(scenes):
    results = sample()
    before = dict(results)
    assert not SceneSwap(scenes, 0.0)(results)
    assert results == before


def test_each_box_is_there_as_often_as_it_is_right(scenes):
    np.random.seed(0)
    swap, drawn = SceneSwap(scenes, 1.0), []
    for _ in range(800):
        results = sample()
        swap(results)
        boxes = results['gt_bboxes'].numpy()
        assert len(boxes) == len(results['gt_bboxes_labels'])
        assert len(boxes) == len(results['gt_ignore_flags'])
        drawn.append([len(boxes), (boxes[:, 0] == 40).sum()])
    total, unsure = np.mean(drawn, axis=0)
    assert total - unsure == 1
    # 0.3, plus or minus three standard errors.
    assert 0.25 < unsure < 0.35


def test_classes_of_pixels_are_unknown_in_a_scene(scenes):
    results = dict(sample(), gt_seg_map=np.zeros((20, 30), np.uint8))
    assert SceneSwap(scenes, 1.0)(results)
    assert results['gt_seg_map'].shape == SIZE
    assert results['gt_seg_map'].dtype == np.uint8
    assert (results['gt_seg_map'] == 255).all()


def test_masks_are_refused(scenes):
    results = dict(
        sample(), gt_masks=BitmapMasks(np.zeros((1, 20, 30), np.uint8), 20, 30)
    )
    with pytest.raises(ValueError, match='no masks'):
        SceneSwap(scenes, 1.0)(results)


def test_a_lost_image_is_told(scenes, tmp_path):
    (tmp_path / 'img/0.png').unlink()
    with pytest.raises(ValueError, match=r'0\.png .* missing or damaged'):
        SceneSwap(scenes, 1.0)(sample())


@pytest.mark.parametrize('prob', [-0.1, 1.1])
def test_a_probability_out_of_range(scenes, prob):
    with pytest.raises(ValueError, match=f'got {prob}'):
        SceneSwap(scenes, prob)


def test_boxes_of_other_classes_are_left_out(scenes):
    results = sample()
    assert SceneSwap(scenes, 1.0, classes=('rust', 'x'))(results)
    assert set(results['gt_bboxes_labels']) == {0}
    # All boxes are of the class rust: nothing likely is left.
    with pytest.raises(ValueError, match='likely defect'):
        SceneSwap(scenes, 1.0, classes=('pit', 'x'))


def test_no_class_in_common(scenes):
    with pytest.raises(ValueError, match='pit, rust, the dataset has x'):
        SceneSwap(scenes, 1.0, classes=('x',))
