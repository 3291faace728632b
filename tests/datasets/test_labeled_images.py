"""COCO annotations as the generator's stages see them."""

import json
import pickle

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_ddpm_moco.datasets import labeled_images
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.utils.errors import InputError

CATEGORIES = [dict(id=1, name='pit'), dict(id=2, name='scratch')]


@pytest.fixture
def make(tmp_path):
    """Writes a json and pictures of random grain, and opens them."""

    def make(
        annotations, sizes=((60, 40),), categories=CATEGORIES, **options
    ) -> LabeledImages:
        images = []
        for number, (w, h) in enumerate(sizes, 1):
            pixels = np.random.RandomState(number).randint(0, 256, (h, w, 3))
            name = f'{number}.png'
            cv2.imwrite(str(tmp_path / name), pixels.astype(np.uint8))
            images.append(dict(id=number, file_name=name, width=w, height=h))
        for number, ann in enumerate(annotations, 100):
            ann.setdefault('id', number)
            ann.setdefault('image_id', 1)
            ann.setdefault('category_id', 1)
        file = tmp_path / 'annotations.json'
        file.write_text(
            json.dumps(
                dict(
                    images=images,
                    annotations=annotations,
                    categories=categories,
                )
            )
        )
        return LabeledImages(file, tmp_path, **options)

    return make


def mask_of(make, segmentation, box=(0, 0, 60, 40)):
    data = make([dict(bbox=list(box), segmentation=segmentation)])
    image = data.images[0]
    return image.mask(image.defects[0])


class TestBoxes:
    @pytest.mark.parametrize(
        'bbox, expected',
        [
            ([3, 4, 5, 6], (3, 4, 5, 6)),
            ([3.0, 4.0, 5.0, 6.0], (3, 4, 5, 6)),
            ([3.2, 4.9, 5.0, 6.0], (3, 4, 6, 7)),  # to 8.2 and 10.9
            ([3.5, 4.5, 0.2, 0.2], (3, 4, 1, 1)),
            ([-2.5, -7, 10, 10], (0, 0, 8, 3)),
            ([50, 30, 100, 100], (50, 30, 10, 10)),
            ([-5, -5, 500, 500], (0, 0, 60, 40)),
            ([59.5, 39.5, 3, 3], (59, 39, 1, 1)),
        ],
    )
    def test_rounded_outwards_and_clipped(self, make, bbox, expected):
        (defect,) = make([dict(bbox=bbox)]).images[0].defects
        assert defect.box == expected
        assert all(type(number) is int for number in defect.box)

    @pytest.mark.parametrize(
        'left_out',
        [
            dict(bbox=[5, 5, 9, 9], iscrowd=1),
            dict(bbox=[5, 5, 0, 9]),
            dict(bbox=[5, 5, 9, 0]),
            dict(bbox=[60, 5, 9, 9]),
            dict(bbox=[5, -9, 9, 9]),
        ],
    )
    def test_crowds_and_boxes_without_area_are_left_out(self, make, left_out):
        data = make([left_out, dict(bbox=[1, 2, 3, 4], id=7)])
        assert [d.ann_id for d in data.images[0].defects] == [7]
        assert data.by_class == [[(0, data.images[0].defects[0])], []]

    def test_annotations_of_images_that_are_not_listed(self, make):
        data = make([dict(bbox=[1, 2, 3, 4]), dict(bbox=[5] * 4, image_id=9)])
        assert [len(image.defects) for image in data.images] == [1]

    def test_iscrowd_0_stays(self, make):
        data = make([dict(bbox=[5, 5, 9, 9], iscrowd=0)])
        assert len(data.images[0].defects) == 1


class TestClasses:
    def test_labels_follow_the_ids_of_the_categories(self, make):
        data = make(
            [
                dict(bbox=[1, 1, 5, 5], category_id=30),
                dict(bbox=[2, 2, 5, 5], category_id=9),
                dict(bbox=[3, 3, 5, 5], category_id=30, image_id=2),
            ],
            sizes=((20, 20), (20, 20), (20, 20)),
            categories=[
                dict(id=30, name='a'),
                dict(id=9, name='z'),
                dict(id=12, name='m'),
            ],
        )
        assert data.classes == ('z', 'm', 'a')
        assert [d.label for d in data.images[0].defects] == [2, 0]
        assert [[i for i, _ in found] for found in data.by_class] == [
            [0],
            [],
            [0, 1],
        ]
        assert data.present == [0, 2]
        assert data.images[2].defects == ()


class TestMasks:
    def test_none_and_empty_are_no_mask(self, make):
        assert mask_of(make, None) is None
        assert mask_of(make, []) is None

    def test_a_polygon(self, make):
        mask = mask_of(make, [[10, 5, 30, 5, 30, 20, 10, 20]])
        expected = np.zeros((40, 60), bool)
        expected[5:20, 10:30] = True
        assert mask.dtype == bool
        assert np.array_equal(mask, expected)

    @pytest.mark.parametrize('part', [[], [10, 10, 30, 30], [1, 2, 3] * 3])
    def test_less_than_three_points_are_no_mask(self, make, part):
        assert mask_of(make, [part]) is None
        whole = [10, 5, 30, 5, 30, 20, 10, 20]
        assert np.array_equal(
            mask_of(make, [part, whole]), mask_of(make, [whole])
        )

    def test_the_parts_of_a_polygon_are_joined(self, make):
        mask = mask_of(
            make,
            [[0, 0, 4, 0, 4, 4, 0, 4], [50, 30, 60, 30, 60, 40, 50, 40]],
        )
        expected = np.zeros((40, 60), bool)
        expected[:4, :4] = expected[30:, 50:] = True
        assert np.array_equal(mask, expected)

    @pytest.mark.parametrize('compressed', [True, False])
    def test_run_lengths(self, make, compressed):
        expected = np.random.RandomState(0).rand(40, 60) < 0.3
        if compressed:
            rle = coco_mask.encode(np.asfortranarray(expected, np.uint8))
            rle['counts'] = rle['counts'].decode()
        else:
            # Runs of 0, 1, 0 … down the columns.
            counts, value = [0], 0
            for pixel in expected.T.reshape(-1):
                if pixel != value:
                    counts.append(0)
                    value = pixel
                counts[-1] += 1
            rle = dict(size=[40, 60], counts=counts)
        assert np.array_equal(mask_of(make, rle), expected)


class TestPixels:
    def test_gray_and_color(self, make, tmp_path):
        color = make([dict(bbox=[1, 1, 5, 5])], channels=3)
        gray = make([dict(bbox=[1, 1, 5, 5])], channels=1)
        stored = cv2.imread(str(tmp_path / '1.png'))
        assert color.read(0).shape == (40, 60, 3)
        assert color.read(0).dtype == gray.read(0).dtype == np.uint8
        assert np.array_equal(color.read(0), stored)
        assert gray.read(0).shape == (40, 60, 1)
        b, g, r = np.moveaxis(stored.astype(float), 2, 0)
        expected = 0.114 * b + 0.587 * g + 0.299 * r
        assert np.abs(gray.read(0)[..., 0] - expected).max() < 2

    @pytest.mark.parametrize('room', [0, 60 * 40, 256 * 2**20])
    def test_pixels_do_not_depend_on_the_cache(self, make, monkeypatch, room):
        monkeypatch.setattr(labeled_images, 'CACHE_BYTES', room)
        data = make([dict(bbox=[1, 1, 5, 5])], sizes=[(60, 40)] * 3)
        first = [data.read(i).copy() for i in (0, 1, 2)]
        again = [data.read(i) for i in (2, 1, 0)][::-1]
        assert all(map(np.array_equal, first, again))
        assert not np.array_equal(first[0], first[1])
        reads = data.read(0) is data.read(0), data.read(2) is data.read(2)
        assert reads == (room > 0, room > 60 * 40)

    def test_another_size_than_annotated_is_an_error(self, make, tmp_path):
        data = make([dict(bbox=[1, 1, 5, 5])])
        cv2.imwrite(str(tmp_path / '1.png'), np.zeros((60, 40), np.uint8))
        with pytest.raises(ValueError, match='40x60') as caught:
            data.read(0)
        assert '60x40' in str(caught.value)
        assert '1.png' in str(caught.value)

    @pytest.mark.parametrize('content', [None, b'', b'no picture'])
    def test_an_image_that_is_missing_or_damaged(
        self, make, tmp_path, content
    ):
        data = make([dict(bbox=[1, 1, 5, 5])])
        (tmp_path / '1.png').unlink()
        if content is not None:
            (tmp_path / '1.png').write_bytes(content)
        with pytest.raises(FileNotFoundError, match=r'1\.png'):
            data.read(0)


class TestRefusals:
    def test_the_error_of_a_missing_json_is_one_line(self, tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            LabeledImages(tmp_path / 'none.json', tmp_path)
        assert 'none.json' in str(caught.value)
        assert '\n' not in str(caught.value)

    @pytest.mark.parametrize(
        'annotations', [[], [dict(bbox=[5, 5, 9, 9], iscrowd=1)]]
    )
    def test_no_annotated_defects(self, make, annotations):
        with pytest.raises(ValueError, match='no annotated defect'):
            make(annotations)

    @pytest.mark.parametrize(
        ('damage', 'named'),
        [
            (lambda text: text[: len(text) // 2], ''),
            (lambda text: '', ''),
            (lambda text: f'[{text}]', ''),
            (lambda text: text.replace('categories', 'labels'), 'categories'),
            (lambda text: text.replace('"width"', '"w"'), 'width'),
            (lambda text: text.replace('"height"', '"h"'), 'height'),
            (lambda text: text.replace('"bbox"', '"box"'), 'bbox'),
        ],
    )
    def test_a_damaged_json_is_told_in_one_line(
        self, make, tmp_path, damage, named
    ):
        make([dict(bbox=[1, 1, 5, 5])])
        file = tmp_path / 'annotations.json'
        file.write_text(damage(file.read_text()))
        with pytest.raises(
            InputError, match=rf'json is damaged.*{named}.*prepare_dataset'
        ) as caught:
            LabeledImages(file, tmp_path)
        assert '\n' not in str(caught.value)


def test_it_can_be_pickled(make):
    data = make([dict(bbox=[1, 1, 5, 5]), dict(bbox=[9, 9, 5, 5])])
    again = pickle.loads(pickle.dumps(data))
    assert again.images == data.images and again.classes == data.classes
    assert again.by_class == data.by_class
    assert np.array_equal(again.read(0), data.read(0))
