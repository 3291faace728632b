"""DiffusionDefectAugment: image, boxes and labels."""

import copy
import warnings

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from helpers.painted_windows import (
    ADD,
    BIG,
    NULL,
    PART,
    REPLACES,
    SMALL,
    H,
    W,
    alpha_of,
    color,
    corners_of,
    grain,
    sample,
    shown,
)
from mmdet_ddpm_moco.bank.compositing import composite, crop


class TestImage:
    @pytest.mark.parametrize('window', [ADD, REPLACES, PART, NULL])
    def test_nothing_changes_where_alpha_is_0(self, augment, window):
        before = grain()
        results = augment(window).transform(sample())
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, window['window'])[:] = alpha_of(window)
        assert results['img'].dtype == np.uint8
        assert np.array_equal(results['img'][alpha == 0], before[alpha == 0])
        assert (results['img'][alpha == 255] == color(0)).all()
        painted = np.broadcast_to(color(0), before.shape)
        expected = composite(before, painted, alpha)
        assert np.array_equal(results['img'], expected)

    def test_the_background_of_another_decoder_is_kept(self, augment):
        other = grain()
        other[::2] += 1
        other[1::2] -= 1
        results = augment(ADD).transform(sample(image=other))
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, ADD['window'])[:] = alpha_of(ADD)
        assert np.array_equal(results['img'][alpha == 0], other[alpha == 0])
        assert shown(results, [ADD]) == [0]

    def test_the_input_is_not_modified(self, augment):
        for masks in (None, BitmapMasks(np.ones((2, H, W), np.uint8), H, W)):
            given = sample(masks=masks)
            parts = dict(given)
            before = copy.deepcopy(given)
            augment(ADD, REPLACES).transform(given)
            assert given['img'] is not parts['img']
            assert np.array_equal(parts['img'], before['img'])
            for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
                assert np.array_equal(parts[key], before[key])
            tensors = parts['gt_bboxes'].tensor, before['gt_bboxes'].tensor
            assert torch.equal(*tensors)
            if masks is not None:
                assert np.array_equal(masks.masks, before['gt_masks'].masks)

    def test_an_image_without_windows(self, augment):
        results = sample()
        results['img_path'] = '/data/set/2.png'
        before = copy.deepcopy(results)
        assert augment(ADD).transform(results) is results
        assert np.array_equal(results['img'], before['img'])
        assert corners_of(results) == corners_of(before)


class TestLabels:
    def test_add_appends(self, augment):
        results = augment(ADD).transform(sample())
        assert corners_of(results) == [
            [20, 30, 36, 42],
            [70, 10, 130, 100],
            [12, 70, 32, 100],
        ]
        assert results['gt_bboxes_labels'].tolist() == [0, 1, 1]
        assert results['gt_ignore_flags'].tolist() == [False] * 3
        assert results['gt_bboxes'].tensor.dtype == torch.float32
        assert results['gt_bboxes_labels'].dtype == np.int64
        assert results['gt_ignore_flags'].dtype == bool
        assert 'gt_masks' not in results

    def test_the_ignore_flags_of_others_stay(self, augment):
        results = sample()
        results['gt_ignore_flags'] = np.array([False, True])
        results = augment(ADD).transform(results)
        assert results['gt_ignore_flags'].tolist() == [False, True, False]

    def test_an_added_box_bounds_the_fully_changed_pixels(self, augment):
        results = augment(ADD).transform(sample())
        full = (results['img'] == color(0)).all(2)
        rows, columns = np.nonzero(full)
        x0, y0, x1, y1 = corners_of(results)[-1]
        assert (columns.min(), rows.min()) == (x0, y0)
        assert (columns.max() + 1, rows.max() + 1) == (x1, y1)

    @pytest.mark.parametrize('window', [REPLACES, PART])
    def test_replaces_keeps_the_boxes(self, augment, window):
        given = sample()
        before = copy.deepcopy(given)
        results = augment(window).transform(given)
        assert shown(results, [window]) == [0]
        assert corners_of(results) == corners_of(before)
        assert results['gt_bboxes_labels'].tolist() == [0, 1]
        assert results['gt_ignore_flags'].tolist() == [False, False]

    def test_replaces_finds_a_box_that_is_not_of_whole_pixels(self, augment):
        given = sample(boxes=[(20.6, 30.4, 14.9, 11.1)], labels=[0])
        before = corners_of(given)
        results = augment(REPLACES).transform(given)
        assert shown(results, [REPLACES]) == [0]
        assert corners_of(results) == before

    def test_replaces_finds_a_box_that_reaches_out_of_the_image(self, augment):
        # It is clipped in the bank, and as annotated in mmdet.
        edge = dict(REPLACES, window=(120, 80, 40, 40), box=(140, 95, 20, 25))
        given = sample(boxes=[(140, 95, 26, 28)], labels=[0])
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            results = augment(edge).transform(given)
        assert shown(results, [edge]) == [0]
        assert corners_of(results) == [[140, 95, 166, 123]]

    @pytest.mark.parametrize(
        'boxes, labels',
        [((), ()), ([BIG], [1]), ([SMALL], [1]), ([(22, 30, 16, 12)], [0])],
        ids=['no boxes', 'another box', 'another class', 'two pixels off'],
    )
    def test_replaces_without_its_annotation(self, augment, boxes, labels):
        given = sample(boxes=boxes, labels=labels)
        before = copy.deepcopy(given)
        transform = augment(REPLACES)
        with pytest.warns(UserWarning, match='other annotations'):
            results = transform.transform(given)
        assert np.array_equal(results['img'], before['img'])
        assert corners_of(results) == corners_of(before)
        assert results['gt_bboxes_labels'].tolist() == list(labels)

    def test_null_leaves_the_labels(self, augment):
        given = sample()
        before = copy.deepcopy(given)
        results = augment(NULL).transform(given)
        assert shown(results, [NULL]) == [0]
        assert corners_of(results) == corners_of(before)
        assert results['gt_bboxes_labels'].tolist() == [0, 1]

    @pytest.mark.parametrize('window, number', [(ADD, 1), (NULL, 0)])
    @pytest.mark.parametrize('kind', ['bitmap', 'polygon', None])
    def test_an_image_without_boxes(self, augment, window, number, kind):
        masks = {
            'bitmap': BitmapMasks([], H, W),
            'polygon': PolygonMasks([], H, W),
            None: None,
        }[kind]
        results = augment(window).transform(sample((), (), masks=masks))
        assert shown(results, [window]) == [0]
        assert results['gt_bboxes'].tensor.shape == (number, 4)
        assert results['gt_bboxes'].tensor.dtype == torch.float32
        assert results['gt_bboxes_labels'].dtype == np.int64
        assert results['gt_bboxes_labels'].tolist() == [1] * number
        assert results['gt_ignore_flags'].dtype == bool
        assert len(results['gt_ignore_flags']) == number
        if kind is not None:
            assert len(results['gt_masks']) == number

    def test_boxes_as_an_array_stay_an_array(self, augment):
        given = sample()
        given['gt_bboxes'] = given['gt_bboxes'].numpy()
        results = augment(ADD).transform(given)
        assert isinstance(results['gt_bboxes'], np.ndarray)
        assert results['gt_bboxes'].dtype == np.float32
        assert results['gt_bboxes'][2].tolist() == [12, 70, 32, 100]
        empty = sample((), ())
        empty['gt_bboxes'] = empty['gt_bboxes'].numpy()
        results = augment(ADD).transform(empty)
        assert isinstance(results['gt_bboxes'], np.ndarray)
        assert results['gt_bboxes'].shape == (1, 4)


class TestClasses:
    def test_the_datasets_order_counts(self, augment):
        order = ['scratch', 'dent', 'pit']
        results = augment(ADD, classes=order).transform(sample((), ()))
        assert results['gt_bboxes_labels'].tolist() == [0]
        results = augment(REPLACES, classes=order).transform(
            sample([SMALL], [2])
        )
        assert shown(results, [REPLACES]) == [0]

    def test_windows_of_a_class_the_dataset_lacks_are_not_pasted(
        self, augment
    ):
        # ADD is a scratch, NULL in the same place, REPLACES a pit.
        results = augment(ADD, REPLACES, classes=['x', 'pit']).transform(
            sample([SMALL], [1])
        )
        assert shown(results, [ADD, REPLACES]) == [1]
        assert results['gt_bboxes_labels'].tolist() == [1]
        results = augment(ADD, NULL, classes=['x', 'pit']).transform(sample())
        assert shown(results, [ADD, NULL]) == [1]

    def test_no_class_in_common(self, augment):
        with pytest.raises(ValueError, match=r'pit, scratch, .* has x, y'):
            augment(ADD, classes=['x', 'y'])
