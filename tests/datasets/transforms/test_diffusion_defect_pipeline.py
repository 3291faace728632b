"""DiffusionDefectAugment: masks, and in an mmdet pipeline."""

import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.utils import register_all_modules

from helpers.painted_windows import (
    ADD,
    BIG,
    CLASSES,
    NULL,
    PART,
    REPLACES,
    SMALL,
    H,
    W,
    grain,
    sample,
    shown,
)
from mmdet_ddpm_moco.bank.compositing import crop


class TestMasks:
    @staticmethod
    def bitmaps():
        masks = np.zeros((2, H, W), np.uint8)
        crop(masks[0], SMALL)[3:8, 2:9] = 1
        crop(masks[1], BIG)[:] = 1
        return masks

    def test_add_appends_the_pixels_of_the_defect(self, augment):
        ragged = np.zeros((H, W), bool)
        part = crop(ragged, ADD['box'])
        part[:] = np.random.RandomState(0).rand(*part.shape) < 0.6
        masks = BitmapMasks(self.bitmaps(), H, W)
        results = augment(dict(ADD, mask=ragged)).transform(
            sample(masks=masks)
        )
        assert isinstance(results['gt_masks'], BitmapMasks)
        assert results['gt_masks'].masks.dtype == np.uint8
        assert np.array_equal(results['gt_masks'].masks[:2], self.bitmaps())
        assert np.array_equal(results['gt_masks'].masks[2], ragged)

    def test_replaces_swaps_the_mask(self, augment):
        masks = BitmapMasks(self.bitmaps(), H, W)
        results = augment(REPLACES).transform(sample(masks=masks))
        expected = self.bitmaps()
        crop(expected[0], SMALL)[:] = 1
        assert np.array_equal(results['gt_masks'].masks, expected)

    def test_the_rest_of_a_large_defect_stays_in_its_mask(self, augment):
        masks = BitmapMasks(self.bitmaps(), H, W)
        results = augment(PART).transform(sample(masks=masks))
        # Along the window's edges the replaced defect is still visible.
        assert np.array_equal(results['gt_masks'].masks, self.bitmaps())

    def test_null_leaves_the_masks(self, augment):
        masks = BitmapMasks(self.bitmaps(), H, W)
        results = augment(NULL).transform(sample(masks=masks))
        assert np.array_equal(results['gt_masks'].masks, self.bitmaps())

    def test_polygons_become_bitmaps(self, augment):
        polygons = PolygonMasks(
            [
                [np.array([x, y, x + w, y, x + w, y + h, x, y + h], float)]
                for x, y, w, h in (SMALL, BIG)
            ],
            H,
            W,
        )
        results = augment(ADD).transform(sample(masks=polygons))
        assert isinstance(results['gt_masks'], BitmapMasks)
        for mask, box in zip(results['gt_masks'].masks, [SMALL, BIG]):
            expected = np.zeros((H, W), np.uint8)
            crop(expected, box)[:] = 1
            assert np.array_equal(mask, expected)
        expected = np.zeros((H, W), np.uint8)
        crop(expected, ADD['box'])[:] = 1
        assert np.array_equal(results['gt_masks'].masks[2], expected)


class TestPipeline:
    @pytest.fixture
    def build(self, augment, tmp_path):
        """An mmdet data set of one image, with this transform in it."""

        def build(*windows, flip=1.0, with_mask=False, **options):
            register_all_modules(init_default_scope=True)
            folder = tmp_path / 'images' / 'set'
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / '1.png'), grain())
            annotations = [
                dict(
                    id=i + 1,
                    image_id=1,
                    category_id=i + 1,
                    bbox=list(box),
                    area=box[2] * box[3],
                    iscrowd=0,
                    segmentation=[
                        [
                            *(box[0], box[1], box[0] + box[2], box[1]),
                            *(box[0] + box[2], box[1] + box[3]),
                            *(box[0], box[1] + box[3]),
                        ]
                    ],
                )
                for i, box in enumerate([SMALL, BIG])
            ]
            image = dict(id=1, file_name='set/1.png', width=W, height=H)
            coco = dict(
                images=[image],
                annotations=annotations,
                categories=[
                    dict(id=i, name=n) for i, n in enumerate(CLASSES, 1)
                ],
            )
            (tmp_path / 'train.json').write_text(json.dumps(coco))
            bank = augment(*windows).bank.root
            pipeline = [
                dict(type='LoadImageFromFile'),
                dict(
                    type='LoadAnnotations', with_bbox=True, with_mask=with_mask
                ),
                dict(
                    type='mmdet_ddpm_moco.DiffusionDefectAugment',
                    bank=str(bank),
                    prob=1,
                    **options,
                ),
                dict(type='RandomFlip', prob=flip),
                dict(type='PackDetInputs'),
            ]
            return DATASETS.build(
                dict(
                    type='CocoDataset',
                    data_root=str(tmp_path),
                    ann_file='train.json',
                    data_prefix=dict(img='images/'),
                    metainfo=dict(classes=tuple(CLASSES)),
                    pipeline=pipeline,
                )
            )

        return build

    @pytest.mark.parametrize('with_mask', [False, True])
    def test_from_file_to_packed_sample(self, build, with_mask):
        windows = [ADD, REPLACES]
        dataset = build(*windows, with_mask=with_mask, max_windows=50)
        # A seed with which both windows are pasted.
        np.random.seed(1)
        item = dataset[0]
        image = item['inputs'].numpy().transpose(1, 2, 0)
        assert image.dtype == np.uint8
        # Boxes are flipped with the image.
        assert shown(dict(img=image[:, ::-1]), windows) == [0, 1]
        truth = item['data_samples'].gt_instances
        assert truth.bboxes.tensor.tolist() == [
            [W - 36, 30, W - 20, 42],
            [W - 130, 10, W - 70, 100],
            [W - 32, 70, W - 12, 100],
        ]
        assert truth.labels.tolist() == [0, 1, 1]
        if with_mask:
            for mask, box in zip(truth.masks.masks, truth.bboxes.tensor):
                x0, y0, x1, y1 = box.int().tolist()
                expected = np.zeros((H, W), np.uint8)
                expected[y0:y1, x0:x1] = 1
                assert np.array_equal(mask, expected)

    def test_epochs_are_independent(self, build):
        dataset = build(ADD, NULL, flip=0.0, max_windows=1)
        np.random.seed(0)
        counts = [
            len(dataset[0]['data_samples'].gt_instances) for _ in range(30)
        ]
        assert set(counts) == {2, 3}
