"""DiffusionDefectAugment: choice of windows, and errors."""

import pickle

import cv2
import numpy as np
import pytest
from mmdet.utils import register_all_modules

from helpers.painted_windows import (
    ADD,
    H,
    W,
    corners_of,
    grain,
    sample,
    shown,
)
from mmdet_ddpm_moco.bank.compositing import overlaps
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)


class TestChoice:
    # Sixteen windows of 32 x 32 in a grid of 24: neighbors overlap.
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
            # There are only twelve.
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
    def test_the_error_of_a_wrong_image_is_one_line(self, augment, image):
        transform = augment(ADD)
        with pytest.raises(ValueError, match='does not belong') as e:
            transform.transform(sample(image=image))
        text = str(e.value)
        assert '\n' not in text
        assert str(transform.bank.root) in text and '/data/set/1.png' in text
        assert 'right after LoadAnnotations' in text

    def test_an_earlier_flip_is_detected_on_a_smooth_background(self, augment):
        register_all_modules()
        from mmdet.datasets.transforms import RandomFlip

        smooth = np.full((H, W, 3), 128, np.uint8)
        transform = augment(ADD, image=smooth)
        flipped = RandomFlip(prob=1.0).transform(sample(image=smooth))
        with pytest.raises(ValueError, match='right after LoadAnnotations'):
            transform.transform(flipped)


def test_repr_shows_the_settings(augment):
    transform = augment(ADD, prob=0.25, max_windows=2)
    text = repr(transform)
    assert f'bank={str(transform.bank.root)!r}' in text
    assert 'prob=0.25' in text and 'max_windows=2' in text
