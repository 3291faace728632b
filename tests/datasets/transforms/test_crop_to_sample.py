import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

from mmdet_ddpm_moco.datasets.transforms.crop_to_sample import CropToSample


def sample(crop, height=6, width=9):
    pixels = np.arange(height * width * 3, dtype=np.uint8)
    return dict(
        img=pixels.reshape(height, width, 3),
        img_path='x.png',
        img_shape=(height, width),
        crop=crop,
    )


@pytest.mark.parametrize('crop', [(2, 1, 3, 4), (0, 0, 9, 6), (8, 5, 1, 1)])
def test_crops(crop):
    x, y, w, h = crop
    results = CropToSample()(sample(crop))
    assert results['img'].shape == (h, w, 3)
    assert results['img_shape'] == (h, w)
    for row in range(h):
        for col in range(w):
            expected = sample(crop)['img'][y + row, x + col]
            assert (results['img'][row, col] == expected).all()


def test_no_crop_leaves_the_image():
    results = CropToSample()(sample(None))
    assert results['img'].shape == (6, 9, 3)
    assert results['img_shape'] == (6, 9)


@pytest.mark.parametrize(
    'crop', [(-1, 0, 3, 3), (7, 0, 3, 3), (0, 4, 3, 3), (0, 0, 0, 3)]
)
def test_crop_outside(crop):
    with pytest.raises(ValueError, match=r'not inside x\.png, 9x6 pixels'):
        CropToSample()(sample(crop))


def test_any_scope_finds_it():
    config = dict(type='mmdet_ddpm_moco.CropToSample', _scope_='mmpretrain')
    assert isinstance(TRANSFORMS.build(config), CropToSample)


@pytest.mark.parametrize('crop', [(2, 1, 6, 4), None])
def test_a_window_is_any_part_of_its_size(crop):
    x, y, w, h = crop or (0, 0, 9, 6)
    corners = set()
    np.random.seed(0)
    for _ in range(200):
        results = CropToSample(window=3)(sample(crop))
        assert results['img'].shape == (3, 3, 3)
        assert results['img_shape'] == (3, 3)
        # The value of a pixel tells its place.
        row, col = divmod(int(results['img'][0, 0, 0]) // 3, 9)
        expected = sample(None)['img'][row : row + 3, col : col + 3]
        assert (results['img'] == expected).all()
        corners.add((col, row))
    assert corners == {
        (i, j) for i in range(x, x + w - 2) for j in range(y, y + h - 2)
    }


@pytest.mark.parametrize('crop', [(2, 1, 6, 5), None])
@pytest.mark.parametrize(
    'defect', [(4, 2, 1, 1), (3, 1, 4, 3), (0, 0, 9, 6), (8, 5, 1, 1)]
)
def test_a_window_has_its_center_in_the_defect(crop, defect):
    """All windows that have, moved into the sample where they reach out."""
    x, y, w, h = crop or (0, 0, 9, 6)
    left, top, wide, high = defect
    corners = set()
    np.random.seed(0)
    for _ in range(600):
        results = dict(sample(crop), defect=defect)
        results = CropToSample(window=3)(results)
        assert results['img'].shape == (3, 3, 3)
        row, col = divmod(int(results['img'][0, 0, 0]) // 3, 9)
        corners.add((col, row))
    assert corners == {
        (
            sorted([x, center_x - 1, x + w - 3])[1],
            sorted([y, center_y - 1, y + h - 3])[1],
        )
        for center_x in range(left, left + wide)
        for center_y in range(top, top + high)
    }


def test_a_window_enlarges_nothing():
    results = CropToSample(window=5)(sample((2, 1, 7, 4)))
    assert results['img'].shape == (4, 5, 3)


def test_an_empty_window():
    with pytest.raises(ValueError, match='at least 1 pixel, got 0'):
        CropToSample(window=0)
