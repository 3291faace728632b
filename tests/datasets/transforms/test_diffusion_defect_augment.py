"""The transform: pictures, boxes and masks stay true to each other.

Each window of these banks is painted in a colour of its own, so the picture
tells which windows were put in.
"""

import copy
import json
import pickle
import warnings

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmdet.utils import register_all_modules

from mmdet_ddpm_moco.datasets.compositing import composite, crop, overlaps
from mmdet_ddpm_moco.datasets.defect_geometry import defect_alpha
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.synthesis.bank_writer import BankWriter

W, H = 160, 120
CLASSES = ['pit', 'scratch']
BIG, SMALL = (70, 10, 60, 90), (20, 30, 16, 12)
ADD = dict(kind='add', label=1, window=(0, 60, 48, 48), box=(12, 70, 20, 30))
REPLACES = dict(kind='replaces', label=0, window=(8, 16, 40, 40), box=SMALL)
PART = dict(kind='replaces', label=1, window=(80, 20, 40, 40), box=BIG)
NULL = dict(kind='null', label=2, window=(0, 60, 48, 48), box=(0, 0, 0, 0))


def grain(seed=0):
    image = np.random.RandomState(seed).randint(90, 160, (H, W, 3))
    return image.astype(np.uint8)


def colour(number):
    """Brighter or darker than the grain, another one for each window."""
    return np.array([250 - number, 10 + number, 200 + number], np.uint8)


def alpha_of(window):
    x, y = window['window'][:2]
    shape = window['box'] if any(window['box']) else (x + 9, y + 9, 20, 10)
    return defect_alpha(window['window'], (W, H), shape, window.get('mask'))


@pytest.fixture
def augment(tmp_path):
    """Writes a bank of the given windows and opens it."""

    def augment(*windows, image=None, prob=1, max_windows=4, **options):
        root = tmp_path / f'bank{len(list(tmp_path.iterdir()))}'
        writer = BankWriter(root, dict(classes=CLASSES))
        image = grain() if image is None else image
        records, pictures = [], []
        for number, window in enumerate(windows):
            ground = crop(image, window['window'])
            painted = np.broadcast_to(colour(number), ground.shape)
            alpha = alpha_of(window)
            mixed = composite(ground, painted, alpha)
            pictures.append(np.dstack([mixed, alpha]))
            records.append(
                dict(
                    number=number,
                    kind=window['kind'],
                    label=window['label'],
                    source=window.get('source', 'set/1.png'),
                    window=list(window['window']),
                    box=list(window['box']),
                    replaces=None,
                    rejected=None,
                )
            )
        writer.write_block(0, records, pictures)
        writer.close(len(windows))
        return DiffusionDefectAugment(
            str(root), prob=prob, max_windows=max_windows, **options
        )

    return augment


def sample(boxes=(SMALL, BIG), labels=(0, 1), image=None, masks=None):
    """As LoadAnnotations leaves it; boxes are (x, y, w, h)."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    results = dict(
        img=grain() if image is None else image.copy(),
        img_path='/data/set/1.png',
        img_shape=(H, W),
        ori_shape=(H, W),
        gt_bboxes=HorizontalBoxes(corners),
        gt_bboxes_labels=np.array(labels, np.int64),
        gt_ignore_flags=np.zeros(len(corners), bool),
    )
    if masks is not None:
        results['gt_masks'] = masks
    return results


def corners_of(results):
    return results['gt_bboxes'].tensor.tolist()


def shown(results, windows):
    """Numbers of the windows that the picture shows whole."""
    found = []
    for number, window in enumerate(windows):
        inside = alpha_of(window) == 255
        part = crop(results['img'], window['window'])[inside]
        if (part == colour(number)).all():
            found.append(number)
    return found


class TestPicture:
    @pytest.mark.parametrize('window', [ADD, REPLACES, PART, NULL])
    def test_nothing_changes_where_alpha_is_0(self, augment, window):
        before = grain()
        results = augment(window).transform(sample())
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, window['window'])[:] = alpha_of(window)
        assert results['img'].dtype == np.uint8
        assert np.array_equal(results['img'][alpha == 0], before[alpha == 0])
        assert (results['img'][alpha == 255] == colour(0)).all()
        painted = np.broadcast_to(colour(0), before.shape)
        expected = composite(before, painted, alpha)
        assert np.array_equal(results['img'], expected)

    def test_other_decoders_ground_stays_the_images_own(self, augment):
        other = grain()
        other[::2] += 1
        other[1::2] -= 1
        results = augment(ADD).transform(sample(image=other))
        alpha = np.zeros((H, W), np.uint8)
        crop(alpha, ADD['window'])[:] = alpha_of(ADD)
        assert np.array_equal(results['img'][alpha == 0], other[alpha == 0])
        assert shown(results, [ADD]) == [0]

    def test_the_sample_given_is_not_written_to(self, augment):
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

    def test_an_image_the_bank_does_not_know(self, augment):
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

    def test_an_added_box_is_the_box_of_what_changed_fully(self, augment):
        results = augment(ADD).transform(sample())
        full = (results['img'] == colour(0)).all(2)
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
        # The bank has it clipped; mmdet leaves it as annotated.
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

    def test_a_class_the_dataset_lacks(self, augment):
        with pytest.raises(ValueError, match=r'holds scratch, .* has pit, x'):
            augment(ADD, classes=['pit', 'x'])


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

    def test_what_a_window_leaves_of_a_large_defect_stays(self, augment):
        masks = BitmapMasks(self.bitmaps(), H, W)
        results = augment(PART).transform(sample(masks=masks))
        # Along the window's edges the old defect is still in the picture.
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


class TestChoice:
    # Sixteen windows of 32 x 32 in a grid of 24: neighbours overlap.
    GRID = [
        dict(
            kind='add',
            label=i % 2,
            window=(24 * (i % 4), 24 * (i // 4), 32, 32),
            box=(24 * (i % 4) + 10, 24 * (i // 4) + 10, 9, 9),
        )
        for i in range(16)
    ]
    # Twelve apart from each other.
    APART = [
        dict(
            kind='add',
            label=0,
            window=(32 * (i % 4), 32 * (i // 4), 32, 32),
            box=(32 * (i % 4) + 10, 32 * (i // 4) + 10, 9, 9),
        )
        for i in range(12)
    ]

    def test_windows_never_overlap(self, augment):
        transform = augment(*self.GRID, max_windows=16)
        seen = set()
        for seed in range(40):
            np.random.seed(seed)
            results = transform.transform(sample((), ()))
            put = shown(results, self.GRID)
            assert len(put) == len(results['gt_bboxes']) > 0
            for a in put:
                for b in put:
                    assert a == b or not overlaps(
                        self.GRID[a]['window'], self.GRID[b]['window']
                    )
            seen.update(put)
        assert len(seen) > 12

    @pytest.mark.parametrize('most', [1, 3, 30])
    def test_from_one_to_max_windows_alike(self, augment, most):
        transform = augment(*self.APART, max_windows=most)
        np.random.seed(0)
        counts = np.zeros(31, int)
        for _ in range(120):
            results = transform.transform(sample((), ()))
            counts[len(shown(results, self.APART))] += 1
        if most == 30:
            # More cannot be had than there are.
            assert counts[0] == counts[13:].sum() == 0
            assert counts[12] > 50
        else:
            assert counts[0] == counts[most + 1 :].sum() == 0
            assert (counts[1 : most + 1] > 75 / most).all()

    @pytest.mark.parametrize('prob', [0, 0.3, 1])
    def test_prob(self, augment, prob):
        transform = augment(ADD, prob=prob)
        np.random.seed(0)
        changed = 0
        for _ in range(200):
            results = transform.transform(sample((), ()))
            changed += len(results['gt_bboxes'])
            assert shown(results, [ADD]) == [0] * len(results['gt_bboxes'])
        # Within 4 standard deviations, which are 0 for 0 and 1.
        assert abs(changed - 200 * prob) <= 57 * (prob * (1 - prob)) ** 0.5

    def test_the_seed_fixes_the_sample(self, augment):
        transform = augment(*self.GRID, prob=0.8)

        def some():
            np.random.seed(3)
            return [transform.transform(sample()) for _ in range(10)]

        images = [[r['img'].tobytes() for r in some()] for _ in range(2)]
        assert images[0] == images[1] and len(set(images[0])) > 5
        boxes = [[corners_of(r) for r in some()] for _ in range(2)]
        assert boxes[0] == boxes[1]

    def test_a_pickled_transform_does_the_same(self, augment):
        transform = augment(*self.GRID)
        images = []
        for each in (transform, pickle.loads(pickle.dumps(transform))):
            np.random.seed(4)
            images.append(each.transform(sample())['img'])
        assert np.array_equal(*images)


class TestRefusals:
    @pytest.mark.parametrize(
        'name, value',
        [
            ('prob', -0.1),
            ('prob', 1.01),
            ('prob', float('nan')),
            ('max_windows', 0),
            ('max_windows', -3),
        ],
    )
    def test_arguments_out_of_range(self, augment, name, value):
        with pytest.raises(ValueError, match=f'{name}.*{value}'):
            augment(ADD, **{name: value})

    def test_no_bank(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='is not there'):
            DiffusionDefectAugment(str(tmp_path / 'none'))

    @pytest.mark.parametrize(
        'image',
        [
            grain(seed=1),
            grain()[:, ::-1],
            grain()[8:],
            grain()[:70, :40],
            cv2.resize(grain(), None, fx=1.25, fy=1.25),
        ],
        ids=['another', 'mirrored', 'moved', 'smaller', 'larger'],
    )
    def test_a_wrong_image_is_told_in_one_line(self, augment, image):
        transform = augment(ADD)
        with pytest.raises(ValueError, match='does not belong') as e:
            transform.transform(sample(image=image))
        text = str(e.value)
        assert '\n' not in text
        assert str(transform.bank.root) in text and '/data/set/1.png' in text
        assert 'right after LoadAnnotations' in text

    def test_a_flip_before_it_is_seen_on_smooth_ground_too(self, augment):
        register_all_modules()
        from mmdet.datasets.transforms import RandomFlip

        smooth = np.full((H, W, 3), 128, np.uint8)
        transform = augment(ADD, image=smooth)
        flipped = RandomFlip(prob=1.0).transform(sample(image=smooth))
        with pytest.raises(ValueError, match='right after LoadAnnotations'):
            transform.transform(flipped)


def test_repr_tells_the_settings(augment):
    transform = augment(ADD, prob=0.25, max_windows=2)
    text = repr(transform)
    assert f'bank={str(transform.bank.root)!r}' in text
    assert 'prob=0.25' in text and 'max_windows=2' in text


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
        # One that has both windows put in.
        np.random.seed(1)
        item = dataset[0]
        image = item['inputs'].numpy().transpose(1, 2, 0)
        assert image.dtype == np.uint8
        # Boxes went along with the picture, which was mirrored afterwards.
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

    def test_each_epoch_draws_anew_and_nothing_piles_up(self, build):
        dataset = build(ADD, NULL, flip=0.0, max_windows=1)
        np.random.seed(0)
        counts = [
            len(dataset[0]['data_samples'].gt_instances) for _ in range(30)
        ]
        assert set(counts) == {2, 3}
