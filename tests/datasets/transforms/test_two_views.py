import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS
from PIL import Image

from helpers.view_images import FLIPS, run, write_picture
from mmdet_ddpm_moco.datasets.transforms import two_views
from mmdet_ddpm_moco.datasets.transforms.two_views import TwoViews


def views(kind, path, seeds, **kwargs):
    """int (N, 2, 3, H, W)"""
    packed = [run(kind, path, seed, **kwargs)['inputs'] for seed in seeds]
    return torch.stack([torch.stack(pair) for pair in packed]).int()


@pytest.mark.parametrize('crop', [None, (5, 3, 40, 30)])
@pytest.mark.parametrize('window', [None, 26])
@pytest.mark.parametrize('channels', [1, 3])
def test_a_seed_gives_the_views_that_mmpretrain_gives(
    tmp_path, channels, window, crop
):
    path = write_picture(tmp_path / 'a.png', channels=channels)
    same = dict(
        crop=crop,
        window=window,
        blur_prob=0.0,
        crop_ratio_range=(0.2, 1.0),
    )
    ours = views('ours', path, range(40), **same)
    theirs = views('theirs', path, range(40), **same)
    # Some SIMD paths round a half the other way.
    assert (ours - theirs).abs().max() <= 1
    assert (ours != theirs).float().mean() < 1e-3
    assert ours.shape == (40, 2, 3, 24, 24)


def test_views_show_the_defect_that_a_sample_is_named_after(tmp_path):
    """A white spot of 4 pixels, which any window would mostly miss."""
    pixels = np.zeros((200, 300), np.uint8)
    pixels[150:154, 220:224] = 255
    path = str(tmp_path / 'spot.png')
    assert cv2.imwrite(path, pixels)
    same = dict(window=40, blur_prob=0, jitter_prob=0)

    def shown(**changes):
        found = views('ours', path, range(60), **same, **changes)
        return (found.amax((1, 2, 3, 4)) > 0).float().mean()

    assert shown(defect=(220, 150, 4, 4)) > 0.95
    assert shown() < 0.2


def test_the_blur_is_that_of_mmpretrain_but_for_rounding(tmp_path):
    path = write_picture(tmp_path / 'a.png', smooth=0.5)
    same = dict(blur_prob=1.0, sigma_range=(0.5, 2.0))
    ours = views('ours', path, range(20), **same)
    theirs = views('theirs', path, range(20), **same)
    sharp = views('ours', path, range(20), blur_prob=0.0)
    off = (ours - theirs).abs().float()
    assert off.mean() < 0.06 * (sharp - theirs).abs().float().mean()


def test_a_large_jpeg_is_shrunk_and_its_moments_stay(tmp_path, monkeypatch):
    path = write_picture(tmp_path / 'a.jpg', (400, 300), smooth=8)
    factors = []

    def decode(encoded, factor, gray):
        factors.append(factor)
        return real(encoded, factor, gray)

    real = two_views.decode
    monkeypatch.setattr(two_views, 'decode', decode)
    same = dict(crop_ratio_range=(0.2, 1.0))
    ours = views('ours', path, range(60), **same).float()
    # The least crop has 24000 pixels, a view 576: 4 * 4 fit, 8 * 8 at times.
    assert set(factors) == {4, 8}
    theirs = views('theirs', path, range(60), **same).float()
    assert abs(ours.mean() - theirs.mean()) < 1
    assert abs(ours.std() - theirs.std()) < 0.05 * theirs.std()
    # View by view it is the same part, flipped and lit the same way.
    assert (ours - theirs).abs().mean() < 0.25 * theirs.std()


def test_moments_match_over_other_draws(tmp_path):
    path = write_picture(tmp_path / 'a.png')
    number = 300
    ours = views('ours', path, range(number)).float()
    theirs = views('theirs', path, range(number, 2 * number)).float()
    for moment in (torch.mean, torch.std):
        a, b = (
            torch.stack([moment(pair) for pair in x]) for x in (ours, theirs)
        )
        error = ((a.var() + b.var()) / number).sqrt()
        assert abs(a.mean() - b.mean()) < 4 * error
        assert b.std() / 1.3 < a.std() < 1.3 * b.std()


def test_the_seed_determines_the_views(tmp_path):
    path = write_picture(tmp_path / 'a.jpg')
    first, again, other = views('ours', path, [1, 1, 2])
    assert (first == again).all()
    assert (first != other).any() and (first[0] != first[1]).any()


def test_colors_stay_unless_grayscale(tmp_path):
    path = write_picture(tmp_path / 'a.png')
    colored = views('ours', path, [0])
    assert (colored[:, :, 0] != colored[:, :, 1]).any()
    gray = views('ours', path, [0], color_type='grayscale')
    assert (gray[:, :, :1] == gray).all() and gray.float().std() > 10


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_a_gray_file_stays_gray(tmp_path, suffix):
    path = write_picture(tmp_path / f'a.{suffix}', channels=1)
    found = views('ours', path, range(5))
    assert (found[:, :, :1] == found).all() and found.float().std() > 10


def test_a_rotated_jpeg_is_cropped_after_its_rotation(tmp_path):
    picture = cv2.imread(write_picture(tmp_path / 'a.png', (400, 200)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = tmp_path / 'a.jpg'
    Image.fromarray(picture).save(path, exif=exif, quality=100)
    assert cv2.imread(str(path)).shape == (400, 200, 3)
    results = dict(img_path=str(path), crop=(0, 250, 200, 150))
    results = TwoViews(24)(results)
    assert results['ori_shape'] == (400, 200)
    assert results['img_shape'] == (24, 24)
    assert [v.shape for v in results['img']] == [(24, 24, 3)] * 2


def test_meta_data_stays_and_views_may_be_oblong(tmp_path):
    path = write_picture(tmp_path / 'a.png')
    packed = run('ours', path, 0)
    sample = packed['data_samples']
    assert (sample.dataset_id, sample.image_id) == (7, 3)
    assert sample.img_path == path and sample.sample_idx == 5
    pair = TwoViews((10, 20))(dict(img_path=path))['img']
    assert [v.shape for v in pair] == [(10, 20, 3)] * 2
    assert all(v.dtype == np.uint8 for v in pair)


@pytest.mark.parametrize('crop', [(-1, 0, 3, 3), (58, 0, 3, 3)])
def test_a_crop_outside_is_refused(tmp_path, crop):
    path = write_picture(tmp_path / 'a.jpg')
    with pytest.raises(ValueError, match=r'not inside .*a\.jpg, 60x40 pixels'):
        TwoViews(8)(dict(img_path=path, crop=crop))


@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8\xff'])
def test_a_file_that_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.jpg cannot be decoded'):
        TwoViews(8)(dict(img_path=str(path)))


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('scale', 0),
        ('crop_ratio_range', (0.5, 0.2)),
        ('crop_ratio_range', (0.0, 1.0)),
        ('crop_ratio_range', (0.5, 1.2)),
        ('aspect_ratio_range', (0, 1)),
        ('brightness', -0.1),
        ('contrast', -1),
        ('jitter_prob', 1.1),
        ('sigma_range', (2, 1)),
        ('blur_prob', -0.1),
        ('flips', dict(horizontal=0.8, vertical=0.3)),
        ('flips', dict(upwards=0.1)),
        ('color_type', 'unchanged'),
    ],
)
def test_an_argument_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f'^{name} must be .*got') as error:
        TwoViews(**{'scale': 8, name: value})
    assert '\n' not in str(error.value)


def test_any_scope_finds_it():
    config = dict(
        type='mmdet_ddpm_moco.TwoViews',
        scale=8,
        flips=FLIPS,
        _scope_='mmpretrain',
    )
    assert TRANSFORMS.build(config).flips == FLIPS
