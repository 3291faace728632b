"""Training windows of the generator.

The value of each pixel is its position, so that a window shows where it was
cut and how it was flipped.
"""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torch.utils.data import default_collate

from mmdet_ddpm_moco.bank.compositing import crop, intersect
from mmdet_ddpm_moco.datasets.defect_window_dataset import (
    DefectWindowDataset,
    to_tensor,
)
from mmdet_ddpm_moco.datasets.window_geometry import defect_alpha
from mmdet_ddpm_moco.utils.errors import InputError

CATEGORIES = [dict(id=i, name=n) for i, n in enumerate('abc', 1)]


@pytest.fixture
def make(tmp_path):
    """A data set of images in which blue is x, green y, red the image."""

    def make(
        annotations, sizes=((120, 90), (90, 120)), **options
    ) -> DefectWindowDataset:
        images = []
        for number, (w, h) in enumerate(sizes):
            pixels = np.empty((h, w, 3), np.uint8)
            pixels[..., 0], pixels[..., 1] = (
                np.arange(w),
                np.arange(h)[:, None],
            )
            pixels[..., 2] = number
            name = f'{number}.png'
            cv2.imwrite(str(tmp_path / name), pixels)
            images.append(dict(id=number, file_name=name, width=w, height=h))
        annotations = [
            dict(dict(id=number, image_id=0, category_id=1), **ann)
            for number, ann in enumerate(annotations)
        ]
        file = tmp_path / 'annotations.json'
        parts = dict(
            images=images, annotations=annotations, categories=CATEGORIES
        )
        file.write_text(json.dumps(parts))
        options = {'window': 32, 'channels': 3, **options}
        return DefectWindowDataset(str(file), str(tmp_path), **options)

    return make


@pytest.fixture
def mixed(make):
    """Many of class a, few of b, none of c; one larger than the window."""
    ragged = np.zeros((120, 90), np.uint8, order='F')
    ragged[70:100, 20:40] = np.random.RandomState(0).rand(30, 20) < 0.5
    rle = coco_mask.encode(ragged)
    rle['counts'] = rle['counts'].decode()
    return make(
        [
            *[dict(bbox=[6 * i, 2 * i, 5, 4]) for i in range(15)],
            dict(bbox=[0, 60, 80, 30]),
            dict(bbox=[10, 10, 12, 9], category_id=2, image_id=1),
            dict(
                bbox=[20, 70, 20, 30],
                category_id=2,
                image_id=1,
                segmentation=rle,
            ),
        ]
    )


def place_of(pixels):
    """Image index and place, from the pixel with the smallest values."""
    h, w = pixels.shape[:2]
    x, y, index = pixels.reshape(-1, 3).min(0).tolist()
    return index, (x, y, w, h)


def expected_alphas(dataset, label, index, window):
    image = dataset.data.images[index]
    return [
        defect_alpha(window, image.size, defect.box, image.mask(defect))
        for defect in image.defects
        if defect.label == label
    ]


def draws(dataset, number, seed=0):
    rng = np.random.RandomState(seed)
    return [dataset.draw(rng) for _ in range(number)]


class TestItems:
    def test_types_shapes_and_ranges(self, mixed):
        np.random.seed(0)
        items = [mixed[i] for i in range(100)]
        for item in items:
            assert set(item) == {'image', 'mask', 'label'}
            assert item['image'].dtype == item['mask'].dtype == torch.float32
            assert item['image'].shape == (3, 32, 32)
            assert item['mask'].shape == (1, 32, 32)
            assert item['image'].min() >= -1 and item['image'].max() <= 1
            assert item['mask'].min() >= 0 and item['mask'].max() == 1
            assert item['label'].dtype == torch.int64
            assert item['label'].shape == ()
            assert int(item['label']) in (0, 1, 3)
        assert default_collate(items)['image'].shape == (100, 3, 32, 32)

    @pytest.mark.parametrize('stored', ['1 channel', '3 equal', 'jpg'])
    def test_gray(self, make, tmp_path, stored):
        dataset = make([dict(bbox=[20, 20, 9, 9])], channels=1)
        for image in dataset.data.images:
            w, h = image.size
            pixels = np.random.RandomState(0).randint(0, 256, (h, w))
            pixels = pixels.astype(np.uint8)
            if stored != '1 channel':
                pixels = np.repeat(pixels[..., None], 3, axis=2)
            kind = '.jpg' if stored == 'jpg' else '.png'
            cv2.imencode(kind, pixels)[1].tofile(str(image.path))
        np.random.seed(0)
        assert dataset[0]['image'].shape == (1, 32, 32)

    def test_to_tensor(self):
        pixels = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
        tensor = to_tensor(pixels[::-1])
        assert tensor.dtype == torch.float32 and tensor.shape == (1, 8, 32)
        back = ((tensor + 1) * 127.5).round().to(torch.uint8).numpy()
        assert np.array_equal(back[0], pixels[::-1, :, 0])
        assert to_tensor(pixels).min() == -1 and to_tensor(pixels).max() == 1

    def test_length_and_names(self, make):
        dataset = make([dict(bbox=[20, 20, 9, 9])], length=7)
        assert len(dataset) == 7
        assert dataset.classes == ('a', 'b', 'c', 'background')

    def test_the_seed_fixes_the_windows(self, mixed):
        def some():
            np.random.seed(5)
            return [mixed[i] for i in range(10)]

        for a, b in zip(some(), some()):
            assert all(torch.equal(a[key], b[key]) for key in a)
        assert not torch.equal(mixed[0]['image'], mixed[0]['image'])

    def test_windows_are_flipped_but_not_rotated(self, mixed):
        np.random.seed(1)
        seen = Counter()
        for _ in range(200):
            item = mixed[0]
            pixels = ((item['image'] + 1) * 127.5).round().numpy()
            blue, green, _ = pixels
            # x changes only along rows and y only along columns.
            (dx,) = np.unique(np.diff(blue, axis=1))
            (dy,) = np.unique(np.diff(green, axis=0))
            assert np.unique(np.diff(blue, axis=0)).tolist() == [0]
            assert np.unique(np.diff(green, axis=1)).tolist() == [0]
            assert {abs(dx), abs(dy)} == {1}
            seen[dx, dy] += 1
            label = int(item['label'])
            if label == 3:
                continue
            # The mask is flipped like the image.
            mirror = np.s_[:: int(dy), :: int(dx)]
            index, window = place_of(pixels.transpose(1, 2, 0).astype(int))
            alpha = (item['mask'][0].numpy() * 255).round()[mirror]
            assert any(
                np.array_equal(alpha, expected)
                for expected in expected_alphas(mixed, label, index, window)
            )
        assert len(seen) == 4 and min(seen.values()) > 25


class TestDraws:
    def test_classes_with_defects_are_equally_frequent(self, mixed):
        found = Counter(label for *_, label in draws(mixed, 600))
        assert set(found) == {0, 1, 3}
        # Within 4 standard deviations of 200.
        assert all(abs(count - 200) < 46 for count in found.values())

    def test_a_window_contains_a_defect_of_its_label(self, mixed):
        for pixels, alpha, label in draws(mixed, 200):
            if label == 3:
                continue
            index, window = place_of(pixels)
            image = mixed.data.images[index]
            assert np.array_equal(pixels, crop(mixed.data.read(index), window))
            assert intersect(window, (0, 0, *image.size)) == window
            assert alpha.dtype == np.uint8 and (alpha == 255).any()
            assert any(
                np.array_equal(alpha, expected)
                for expected in expected_alphas(mixed, label, index, window)
            )

    def test_background_is_clear_of_every_box(self, mixed):
        number = 0
        for pixels, alpha, label in draws(mixed, 300):
            if label != 3:
                continue
            number += 1
            index, (x, y, w, h) = place_of(pixels)
            assert (alpha == 255).any()
            assert np.array_equal(
                pixels, crop(mixed.data.read(index), (x, y, w, h))
            )
            for defect in mixed.data.images[index].defects:
                u, v, *rest = intersect(defect.box, (x, y, w, h))
                assert not crop(alpha, (u - x, v - y, *rest)).any()
        assert number > 50

    def test_background_comes_from_images_without_defects_too(self, make):
        dataset = make([dict(bbox=[0, 0, 120, 90])])
        places = [
            place_of(pixels)[0]
            for pixels, _, label in draws(dataset, 100)
            if label == 3
        ]
        assert set(places) == {1}

    def test_no_background_without_a_defect_free_area(self, make):
        dataset = make(
            [dict(bbox=[0, 0, 120, 90]), dict(bbox=[0, 0, 60, 90])],
            sizes=[(120, 90)],
        )
        for _, alpha, label in draws(dataset, 40):
            assert label == 0 and (alpha == 255).any()

    def test_a_crowd_region_is_not_defect_free(self, make):
        dataset = make(
            [
                dict(bbox=[40, 40, 10, 10]),
                dict(bbox=[0, 0, 120, 90], iscrowd=1),
            ],
            sizes=[(120, 90)],
        )
        assert {label for *_, label in draws(dataset, 40)} == {0}

    def test_the_box_replaces_a_mask_outside_the_window(self, make):
        speck = np.zeros((90, 120), np.uint8, order='F')
        speck[0, 0] = 1
        rle = coco_mask.encode(speck)
        rle['counts'] = rle['counts'].decode()
        dataset = make(
            [dict(bbox=[0, 0, 120, 90], segmentation=rle)], sizes=[(120, 90)]
        )
        assert all(alpha.any() for _, alpha, _ in draws(dataset, 40))

    def test_a_window_as_large_as_the_image(self, make):
        dataset = make(
            [dict(bbox=[20, 20, 9, 9])], sizes=[(64, 64)], window=64
        )
        for pixels, _, _ in draws(dataset, 10):
            assert place_of(pixels) == (0, (0, 0, 64, 64))


class TestRefusals:
    def test_an_image_smaller_than_the_window(self, make):
        with pytest.raises(ValueError, match=r'window=91.*0\.png.*90') as e:
            make([dict(bbox=[20, 20, 9, 9])], window=91)
        assert '\n' not in str(e.value)

    @pytest.mark.parametrize('window', [0, 8, 12])
    def test_a_window_too_small_to_show_a_defect_and_its_rim(
        self, make, window
    ):
        with pytest.raises(ValueError, match='window'):
            make([dict(bbox=[20, 20, 9, 9])], window=window)

    def test_color_images_read_as_gray(self, make):
        """Gray patches would be pasted into them."""
        dataset = make([dict(bbox=[20, 20, 9, 9])], channels=1)
        with pytest.raises(
            InputError, match=r'0\.png is a color image.* channels=3 .*model'
        ) as e:
            dataset.draw(np.random.RandomState(0))
        assert '\n' not in str(e.value)

    def test_missing_annotations(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r'none\.json'):
            DefectWindowDataset(str(tmp_path / 'none.json'), str(tmp_path))


def batch(dataset, number=8):
    return dataset.__getitems__(list(range(number)))


class TestWindowSizes:
    @pytest.fixture
    def scratched(self, make):
        """A dent, and a scratch that no square of 32 pixels contains."""
        return make(
            [
                dict(bbox=[5, 5, 100, 6]),
                dict(bbox=[20, 40, 9, 9], category_id=2),
            ],
            max_window=64,
        )

    def test_a_window_contains_a_long_defect_with_its_rim(self, scratched):
        np.random.seed(0)
        seen = set()
        for item in [i for _ in range(40) for i in batch(scratched)]:
            seen.add(int(item['label']))
            if int(item['label']) != 0:
                continue
            # The rim fades inside the window: on no side is it cut.
            mask = item['mask'][0].numpy()
            edges = [mask[0], mask[-1], mask[:, 0], mask[:, -1]]
            assert not any(edge.any() for edge in edges)
            rows, columns = np.nonzero(mask == 1)
            assert np.ptp(columns) + 1 == 100 and np.ptp(rows) + 1 == 6
        assert seen == {0, 1, 3}

    def test_a_batch_has_one_size_and_a_fixed_number_of_pixels(
        self, scratched
    ):
        np.random.seed(0)
        sizes = Counter()
        for _ in range(40):
            items = batch(scratched)
            (size,) = {tuple(item['mask'].shape[1:]) for item in items}
            sizes[size] += 1
            pixels = size[0] * size[1]
            assert len(items) == max(1, 8 * 32**2 // pixels)
            assert default_collate(items)['image'].shape[2:] == size
        assert len(sizes) > 3

    def test_labels_weigh_in_batches_as_in_single_draws(self, scratched):
        np.random.seed(0)
        share = Counter()
        for _ in range(400):
            items = batch(scratched)
            for item in items:
                share[int(item['label'])] += 1 / len(items)
        # 4 standard deviations, as batches have one class or several.
        assert all(abs(share[k] - 400 / 3) < 38 for k in (0, 1, 3))

    def test_without_max_window_windows_are_squares(self, mixed):
        np.random.seed(0)
        assert {tuple(i['mask'].shape) for i in batch(mixed)} == {(1, 32, 32)}
        assert len(batch(mixed)) == 8

    def test_a_window_is_no_larger_than_the_image(self, make):
        """Its sides are multiples of 8, for a U-Net of four levels."""
        dataset = make(
            [dict(bbox=[5, 5, 40, 75])], sizes=[(60, 83)], max_window=96
        )
        shapes = {draw[0].shape[:2] for draw in draws(dataset, 20)}
        assert shapes <= {(80, 56)}

    def test_smaller_than_the_square(self, make):
        with pytest.raises(
            ValueError, match='max_window must be at least window=32, got 16'
        ):
            make([dict(bbox=[20, 20, 9, 9])], max_window=16)
