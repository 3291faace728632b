import cv2
import numpy as np

from helpers.voc_maker import surface
from mmdet_ddpm_moco.conversion.near_duplicates import group_near_duplicates
from mmdet_ddpm_moco.conversion.neighbors import MIN_STRENGTH, WINDOW
from mmdet_ddpm_moco.conversion.overlap import best_shift, coarse_spectrum


def names(count):
    return [f'a_{number}' for number in range(1, count + 1)]


def test_overlapping_crops_of_a_strip_are_one_group():
    strip = surface(200, 800, seed=1)
    crops = [strip[:, start : start + 200] for start in range(0, 601, 120)]
    # The ends share nothing; they belong together through the others.
    others = [surface(200, 200, seed) for seed in range(2, 8)]
    groups = group_near_duplicates(crops + others, names(12))
    assert groups == [0] * 6 + list(range(6, 12))


def test_exposure_and_noise_do_not_hide_an_overlap():
    rng = np.random.default_rng(0)
    strip = surface(200, 330, seed=1).astype(np.float64)
    shade = np.linspace(0.3, 1.0, 200)[:, None]
    first = strip[:, :200]
    second = 0.5 * strip[:, 130:] * shade + rng.normal(0, 2, (200, 200))
    images = [first.astype(np.uint8), np.clip(second, 0, 255).astype(np.uint8)]
    assert group_near_duplicates(images, names(2)) == [0, 0]


def test_a_tenth_in_common_is_too_little():
    strip = surface(200, 380, seed=1)
    images = [strip[:, :200], strip[:, 180:]]
    assert group_near_duplicates(images, names(2)) == [0, 1]


def test_names_decide_who_is_a_neighbor():
    strip = surface(200, 280, seed=1)
    crops = [strip[:, :200], strip[:, 80:]]
    filler = [surface(24, 24, seed) for seed in range(2, WINDOW + 3)]
    images = [crops[0], *filler, crops[1]]
    far = names(len(images))
    assert group_near_duplicates(images, far)[-1] == len(images) - 1
    near = ['a_1', *(f'b_{n}' for n in range(len(filler))), 'a_2']
    assert group_near_duplicates(images, near)[-1] == 0


def test_a_part_that_lay_the_other_way_round_is_found():
    part = surface(200, 160, seed=1)
    turned = [part[::-1, ::-1], part[:, ::-1], np.rot90(part)]
    # Cut out a little differently, and darker.
    again = cv2.convertScaleAbs(part[3:198, 2:157][::-1, ::-1], alpha=0.8)
    filler = [surface(200, 160, seed) for seed in range(2, WINDOW + 3)]
    images = [part, *filler, *turned, again]
    groups = group_near_duplicates(images, names(len(images)))
    assert groups[-4:] == [0] * 4
    assert groups[: len(filler) + 1] == list(range(len(filler) + 1))


def test_copies_are_found_wherever_they_are():
    rough = surface(200, 200, seed=1)
    _, jpeg = cv2.imencode('.jpg', rough, [cv2.IMWRITE_JPEG_QUALITY, 60])
    copies = [
        cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE),
        np.clip(40 + 0.7 * rough.astype(float), 0, 255).astype(np.uint8),
        cv2.resize(rough, (400, 400), interpolation=cv2.INTER_CUBIC),
    ]
    filler = [surface(200, 200, seed) for seed in range(2, WINDOW + 3)]
    images = [rough, *filler, *copies]
    groups = group_near_duplicates(images, names(len(images)))
    assert groups[-3:] == [0, 0, 0]
    assert groups[:-3] == list(range(len(images) - 3))


def test_identical_images_without_texture_are_copies():
    flat = np.full((50, 50), 80, np.uint8)
    images = [flat, flat + 1, flat.copy()]
    assert group_near_duplicates(images, names(3)) == [0, 1, 0]


def test_groups_do_not_depend_on_the_order_of_the_list():
    strip = surface(150, 450, seed=1)
    crops = [strip[:, start : start + 150] for start in (0, 80, 300)]
    images = [*crops, surface(90, 150, 5), surface(150, 150, 6)]
    keys = names(5)

    def partition(order):
        found = group_near_duplicates(
            [images[i] for i in order], [keys[i] for i in order]
        )
        return {
            frozenset(order[k] for k in range(5) if found[k] == group)
            for group in found
        }

    expected = {frozenset({0, 1}), *(frozenset({i}) for i in (2, 3, 4))}
    assert partition([0, 1, 2, 3, 4]) == expected
    assert partition([4, 1, 3, 0, 2]) == expected


def test_images_of_any_size_pass():
    shapes = [(1, 2), (1, 300), (300, 2), (7, 5), (64, 64), (200, 100)]
    images = [surface(*shape, seed=9, grain=0.5) for shape in shapes]
    assert group_near_duplicates(images, names(6)) == list(range(6))
    assert group_near_duplicates([], []) == []


def test_a_common_frame_is_no_overlap():
    images = [surface(200, 200, seed) for seed in range(12)]
    frame = surface(200, 200, seed=99)
    for image in images:
        inside = image[10:-10, 10:-10].copy()
        image[:] = frame
        image[10:-10, 10:-10] = inside
    # Coarsely seen, the frame looks like an overlap.
    spectra = [coarse_spectrum(image) for image in images[:2]]
    assert best_shift(*spectra).strength > MIN_STRENGTH
    assert group_near_duplicates(images, names(12)) == list(range(12))


def cut_outs(seed, cuts):
    """Pieces (rows, columns) of one surface, each in its own light."""
    whole = surface(300, 400, seed).astype(np.float64)
    return [
        (factor * whole[rows, columns]).astype(np.uint8)
        for factor, (rows, columns) in zip((0.5, 0.8, 1.0), cuts)
    ]


def sizes_of(images):
    return [(image.shape[1], image.shape[0]) for image in images]


def test_one_part_cut_out_differently_is_one_group():
    cuts = [
        (slice(0, 300), slice(0, 390)),
        (slice(7, 290), slice(11, 400)),
        (slice(90, 300), slice(150, 380)),
    ]
    images = [image for seed in (1, 2, 3) for image in cut_outs(seed, cuts)]
    found = group_near_duplicates(images, names(9), sizes_of(images))
    assert found == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    # Thumbnails do not say how large a pixel is.
    assert group_near_duplicates(images, names(9)) == list(range(9))


def test_a_cut_out_with_a_tenth_in_common_is_no_duplicate():
    cuts = [(slice(0, 300), slice(0, 210)), (slice(0, 300), slice(190, 400))]
    images = cut_outs(1, cuts)
    images[1] = images[1][:290]
    found = group_near_duplicates(images, names(2), sizes_of(images))
    assert found == [0, 1]


def test_cut_outs_that_cannot_overlap_enough_are_no_duplicates():
    images = [surface(30, 200, seed=1), surface(200, 30, seed=2)]
    found = group_near_duplicates(images, names(2), sizes_of(images))
    assert found == [0, 1]


def test_unrelated_cut_outs_are_no_duplicates():
    rng = np.random.default_rng(0)
    images = [
        surface(*rng.integers(90, 400, 2), seed, grain=rng.uniform(0.7, 6))
        for seed in range(60)
    ]
    found = group_near_duplicates(images, names(60), sizes_of(images))
    assert found == list(range(60))


def test_cut_outs_are_compared_with_their_neighbors():
    first, last = cut_outs(1, [(slice(0, 300), slice(0, 390))] * 2)
    filler = [surface(24, 24, seed) for seed in range(2, WINDOW + 3)]
    images = [first, *filler, last[:290]]
    far = group_near_duplicates(images, names(83), sizes_of(images))
    assert far[-1] == 82
    near = ['a_1', *(f'b_{n}' for n in range(len(filler))), 'a_2']
    assert group_near_duplicates(images, near, sizes_of(images))[-1] == 0


def test_images_of_one_key_are_one_group():
    images = [surface(60, 60, seed) for seed in range(4)]
    assert group_near_duplicates(images, ['b', 'a', 'b', 'c']) == [0, 1, 0, 3]
