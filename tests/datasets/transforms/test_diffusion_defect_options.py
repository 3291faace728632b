"""DiffusionDefectAugment: class_weights, min_visibility, types of samples."""

import cv2
import numpy as np
import pytest
import torch

import helpers.rotated_boxes  # noqa: F401 - registers rotated boxes
from helpers.painted_windows import (
    ADD,
    NULL,
    REPLACES,
    H,
    W,
    alpha_of,
    color,
    corners_of,
    grain,
    sample,
    shown,
)
from helpers.tiny_scenes import make_scenes
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.datasets.transforms.own_image import own_image
from mmdet_ddpm_moco.datasets.transforms.pasted_sample import ORIGINS
from mmdet_ddpm_moco.datasets.transforms.visible_boxes import VisibleBoxes


class TestClassWeights:
    # Four windows apart from each other: one pit, two scratches, no defect.
    WINDOWS = [
        dict(ADD, label=0, window=(0, 0, 32, 32), box=(10, 10, 9, 9)),
        dict(ADD, label=1, window=(40, 0, 32, 32), box=(50, 10, 9, 9)),
        dict(ADD, label=1, window=(80, 0, 32, 32), box=(90, 10, 9, 9)),
        dict(NULL, window=(0, 60, 48, 48)),
    ]

    def counts(self, augment, weights, draws=160):
        transform = augment(
            *self.WINDOWS, max_windows=1, class_weights=weights
        )
        np.random.seed(0)
        found = np.zeros(4, int)
        for _ in range(draws):
            (number,) = shown(
                transform.transform(sample((), ())), self.WINDOWS
            )
            found[number] += 1
        return found

    @pytest.mark.parametrize(
        'weights, shares',
        [
            ({}, [1, 1, 1, 1]),
            (dict(pit=6), [6, 1, 1, 1]),
            (dict(scratch=0.5, background=3), [1, 0.5, 0.5, 3]),
            (dict(scratch=0, background=0), [1, 0, 0, 0]),
        ],
    )
    def test_one_is_drawn_in_proportion(self, augment, weights, shares):
        found = self.counts(augment, weights)
        expected = 160 * np.array(shares) / sum(shares)
        assert (found[expected == 0] == 0).all()
        assert (np.abs(found - expected) <= 4 * np.sqrt(expected)).all()

    def test_the_second_is_drawn_from_those_left(self, augment):
        transform = augment(
            *self.WINDOWS, max_windows=50, class_weights=dict(background=0)
        )
        np.random.seed(1)
        most = max(
            (
                shown(transform.transform(sample((), ())), self.WINDOWS)
                for _ in range(20)
            ),
            key=len,
        )
        assert most == [0, 1, 2]

    @pytest.mark.parametrize(
        'weights', [dict(dent=1), dict(pit=-1), dict(pit=float('nan'))]
    )
    def test_others_are_refused(self, augment, weights):
        with pytest.raises(ValueError, match='pit, scratch, background'):
            augment(ADD, class_weights=weights)

    def test_all_zero_is_refused(self, augment):
        zero = dict(pit=0, scratch=0, background=0)
        with pytest.raises(ValueError, match='one of them above'):
            augment(ADD, class_weights=zero)


class TestMinVisibility:
    def test_painted_pixels_add_up(self):
        # 100 pixels, of which 40 may be hidden.
        boxes = VisibleBoxes(
            np.array([[10, 10, 20, 20.0]]), np.zeros(1, bool), (50, 50), 0.6
        )
        first, second = (10, 10, 10, 3), (10, 13, 10, 3)
        alpha = np.full((3, 10), 7, np.uint8)
        assert boxes.cover(first, None, alpha)
        assert not boxes.cover(second, None, alpha)
        alpha[0] = 0  # 20 pixels: still ten too many
        assert not boxes.cover(second, None, alpha)
        alpha[1] = 0
        assert boxes.cover(second, None, alpha)
        alpha[:] = 0
        alpha[0, 0] = 1
        assert not boxes.cover((10, 16, 10, 3), None, alpha)

    def test_the_replaced_box_and_ignored_ones_may_be_hidden(self):
        corners = np.array([[0, 0, 8, 8.0], [2, 2, 6, 6], [0, 0, 4, 4]])
        ignored = np.array([False, False, True])
        alpha = np.zeros((8, 8), np.uint8)
        alpha[4:, 4:] = 255
        for least, accepted in ((0.75, True), (0.76, False)):
            boxes = VisibleBoxes(corners, ignored, (8, 8), least)
            assert boxes.cover((0, 0, 8, 8), 0, alpha) is accepted
        alpha[:] = 255
        boxes = VisibleBoxes(corners[[0, 2]], ignored[[0, 2]], (8, 8), 1)
        assert boxes.cover((0, 0, 8, 8), 0, alpha)

    def test_what_is_outside_of_the_image_does_not_count(self):
        corners = np.array([[-10, 0, 2, 10.0]])
        boxes = VisibleBoxes(corners, np.zeros(1, bool), (10, 10), 0.5)
        alpha = np.full((10, 2), 255, np.uint8)
        assert not boxes.cover((0, 0, 2, 10), None, alpha)
        assert boxes.cover((0, 0, 2, 10), None, np.where(alpha[:, :1], 0, 0))

    def test_another_window_is_drawn(self, augment):
        # ADD hides this one, REPLACES another one that it is made for.
        hidden = [(14, 72, 10, 20), (20, 30, 16, 12)]
        transform = augment(ADD, REPLACES, max_windows=1, min_visibility=0.5)
        for seed in range(12):
            np.random.seed(seed)
            results = transform.transform(sample(hidden, [0, 0]))
            assert shown(results, [ADD, REPLACES]) == [1]
        seen = set()
        transform = augment(ADD, REPLACES, max_windows=1)
        for seed in range(12):
            np.random.seed(seed)
            results = transform.transform(sample(hidden, [0, 0]))
            seen.update(shown(results, [ADD, REPLACES]))
        assert seen == {0, 1}

    @pytest.mark.parametrize('least', [-0.1, 1.1])
    def test_out_of_range(self, augment, least):
        with pytest.raises(ValueError, match=r'min_visibility.*in'):
            augment(ADD, min_visibility=least)


class TestSamples:
    @pytest.mark.parametrize('shape', [(H, W), (H, W, 1)])
    def test_gray_images(self, augment, shape):
        gray = grain()[..., 0]
        image = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
        transform = augment(ADD, image=image)
        results = transform.transform(sample(image=gray.reshape(shape)))
        assert results['img'].shape == shape
        assert results['img'].dtype == np.uint8
        whole = transform.transform(sample(image=image))['img']
        expected = cv2.cvtColor(whole, cv2.COLOR_BGR2GRAY)
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, ADD['window'])[:] = alpha_of(ADD)
        made = results['img'].reshape(H, W)
        assert np.array_equal(made[alpha > 0], expected[alpha > 0])
        assert np.array_equal(made[alpha == 0], gray[alpha == 0])

    @pytest.mark.parametrize('dtype', [np.float32, np.float64, np.int64])
    def test_other_dtypes_of_images(self, augment, dtype):
        image = grain().astype(dtype)
        if dtype != np.int64:
            image += 0.25  # not rounded outside of the defect
        results = augment(ADD).transform(sample(image=image))
        assert results['img'].dtype == dtype
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, ADD['window'])[:] = alpha_of(ADD)
        assert np.array_equal(results['img'][alpha == 0], image[alpha == 0])
        assert (results['img'][alpha == 255] == color(0)).all()

    def test_an_image_of_other_channels(self, augment):
        four = np.dstack([grain(), grain()[..., 0]])
        with pytest.raises(ValueError, match='it has 4 channels'):
            augment(ADD).transform(sample(image=four))

    def test_boxes_are_needed(self, augment):
        given = sample()
        del given['gt_bboxes']
        with pytest.raises(ValueError, match=r'1\.png has no gt_bboxes'):
            augment(ADD).transform(given)

    def test_masks_of_a_strange_type(self, augment):
        with pytest.raises(ValueError, match=r'BitmapMasks.*list'):
            augment(ADD).transform(sample(masks=[1, 2]))

    def test_rotated_boxes_stay_rotated(self, augment):
        given = sample()
        given['gt_bboxes'] = given['gt_bboxes'].convert_to('rbox')
        given['gt_bboxes'].tensor[1, 4] = 0.3
        kind = type(given['gt_bboxes'])
        old = given['gt_bboxes'].tensor.clone()
        results = augment(ADD, REPLACES, max_windows=99).transform(given)
        np.random.seed(0)
        assert type(results['gt_bboxes']) is kind
        tensor = results['gt_bboxes'].tensor
        assert torch.equal(tensor[:2], old)
        if len(tensor) == 3:
            assert tensor[2].tolist() == [22, 85, 20, 30, 0]

    def test_boxes_of_scenes_are_of_the_samples_type(self, tmp_path):
        transform = DiffusionDefectAugment(
            scenes=make_scenes(tmp_path), scene_prob=1
        )
        given = sample()
        given['gt_bboxes'] = given['gt_bboxes'].convert_to('rbox')
        results = transform.transform(dict(given))
        assert type(results['gt_bboxes']) is type(given['gt_bboxes'])
        assert results['gt_bboxes'].tensor.shape == (3, 5)
        assert results['box_origins'].tolist() == [ORIGINS.index('scene')] * 3

    def test_origins_of_boxes(self, augment):
        names = [
            ORIGINS[i]
            for i in augment(REPLACES).transform(sample())['box_origins']
        ]
        assert names == ['replaces', 'real']
        results = augment(ADD).transform(sample())
        assert [ORIGINS[i] for i in results['box_origins']] == [
            'real',
            'real',
            'add',
        ]
        results = augment(ADD, prob=0).transform(sample())
        assert results['box_origins'].tolist() == [0, 0]
        assert len(corners_of(results)) == 2


class TestOwnImage:
    def test_an_image_that_nothing_else_holds_is_not_copied(self):
        results = dict(img=grain())
        address = results['img'].ctypes.data
        assert own_image(results).ctypes.data == address

    def test_what_others_hold_is_copied(self):
        held = grain()
        view = held[:]
        for results in (
            dict(img=held),
            dict(img=view),
            dict(img=grain()[::-1]),
        ):
            image = own_image(results)
            assert not np.shares_memory(image, results['img'])
            assert np.array_equal(image, results['img'])
        read_only = grain()
        read_only.setflags(write=False)
        results = dict(img=read_only)
        del read_only
        assert own_image(results).flags.writeable
        shared = grain()
        results = dict(img=shared)
        tensor = torch.from_numpy(shared)
        del shared
        own_image(results)[:] = 0
        assert tensor.any()
