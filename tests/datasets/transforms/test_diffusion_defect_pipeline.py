"""DiffusionDefectAugment: masks, and in an mmdet pipeline."""

import copy
import json

import cv2
import numpy as np
import pytest
from mmdet.datasets.transforms import Resize
from mmdet.registry import DATASETS
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.utils import register_all_modules
from scipy.ndimage import binary_fill_holes

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
from mmdet_ddpm_moco.datasets.transforms.masks import outlines


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

    @pytest.mark.parametrize('window', [ADD, REPLACES, PART, NULL])
    def test_polygons_stay_polygons_of_the_same_pixels(self, augment, window):
        polygons = PolygonMasks(
            [
                [np.array([x, y, x + w, y, x + w, y + h, x, y + h], float)]
                for x, y, w, h in (SMALL, BIG)
            ],
            H,
            W,
        )
        bitmaps = BitmapMasks(
            polygons.to_bitmap().masks.astype(np.uint8), H, W
        )
        before = copy.deepcopy(polygons.masks)
        results = augment(window).transform(sample(masks=polygons))
        expected = augment(window).transform(sample(masks=bitmaps))
        assert isinstance(results['gt_masks'], PolygonMasks)
        assert np.array_equal(
            results['gt_masks'].to_bitmap().masks, expected['gt_masks'].masks
        )
        # The data set may keep the lists that it gave.
        assert str(polygons.masks) == str(before)

    @pytest.mark.parametrize('dtype', [bool, np.uint8])
    def test_bitmaps_keep_their_dtype(self, augment, dtype):
        masks = BitmapMasks(self.bitmaps().astype(dtype), H, W)
        for window in (ADD, REPLACES):
            results = augment(window).transform(sample(masks=masks))
            assert results['gt_masks'].masks.dtype == dtype

    @pytest.mark.parametrize('kind', ['polygons', 'bitmaps'])
    def test_a_mosaic_joins_images_with_and_without_a_defect(
        self, augment, kind
    ):
        def masks():
            bitmaps = BitmapMasks(self.bitmaps(), H, W)
            if kind == 'bitmaps':
                return bitmaps
            return PolygonMasks([outlines(m > 0) for m in bitmaps.masks], H, W)

        parts = [
            augment(ADD).transform(sample(masks=masks()))['gt_masks'],
            sample(masks=masks())['gt_masks'],
        ]
        joined = type(parts[0]).cat(parts)
        assert len(joined) == 5
        resized = Resize(scale=(W // 2, H // 2)).transform(
            dict(sample(), gt_masks=joined)
        )
        halved = joined.resize((H // 2, W // 2)).to_ndarray()
        assert np.array_equal(resized['gt_masks'].to_ndarray(), halved)


def regions():
    """Ellipses, single pixels and grainy regions without holes."""
    for seed in range(60):
        rng = np.random.RandomState(seed)
        region = np.zeros((H, W), np.uint8)
        center = int(rng.randint(W)), int(rng.randint(H))
        axes = int(rng.randint(1, 30)), int(rng.randint(1, 20))
        cv2.ellipse(region, center, axes, seed * 7, 0, 360, 1, -1)
        rough = cv2.GaussianBlur(rng.rand(H, W), (0, 0), 2) > 0.5
        speck = np.zeros((H, W), bool)
        speck[tuple(rng.randint((H, W)))] = True
        for made in (region > 0, rough, speck):
            yield binary_fill_holes(made)


def test_outlines_cover_the_pixels_of_a_region():
    for region in regions():
        drawn = PolygonMasks([outlines(region)], H, W).to_bitmap().masks[0]
        assert np.array_equal(drawn.astype(bool), region)
    assert outlines(np.zeros((H, W), bool)) == []


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
