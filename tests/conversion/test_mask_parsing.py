import cv2
import numpy as np
import pytest
from pycocotools.mask import decode

from helpers.mask_maker import mask_of, png
from mmdet_ddpm_moco.conversion.formats.masks import (
    class_names,
    marked_pixels,
    parse,
)


def naive_pieces(mask: np.ndarray) -> list[set]:
    """Connected pieces of a bool mask, diagonals included, pixel by pixel."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(mask))))
    pieces = []
    while left:
        piece, edge = set(), [min(left)]
        left.discard(edge[0])
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            for near in [
                (y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)
            ]:
                if near in left:
                    left.discard(near)
                    edge.append(near)
        pieces.append(piece)
    return pieces


@pytest.mark.parametrize('share', [0.05, 0.3, 0.5])
@pytest.mark.parametrize('shape', [(1, 1), (7, 12), (40, 23)])
def test_pieces_equal_a_naive_search(shape, share):
    rng = np.random.default_rng(3)
    mask = rng.random(shape) < share
    found = parse(png(255 * mask.astype(np.uint8)), 'dent')
    assert found.size == (shape[1], shape[0])
    expected = {frozenset(piece) for piece in naive_pieces(mask)}
    pieces = set()
    for item in found.objects:
        counts = item.mask.counts.encode()
        rows, columns = np.nonzero(decode(dict(size=shape, counts=counts)))
        assert item.name == 'dent'
        assert item.edges == (
            min(columns), min(rows), max(columns) + 1, max(rows) + 1
        )  # fmt: skip
        assert item.mask.area == len(rows)
        pieces.add(frozenset(zip(rows, columns)))
    assert pieces == expected
    tops = [item.edges[1::-1] for item in found.objects]
    assert tops == sorted(tops)


SQUARE = mask_of((5, 6, 10, 8))
EVERYWHERE = mask_of((5, 6, 10, 8), (20, 20, 9, 9))


def in_palette(color):
    """As a palette PNG is decoded: colors on black."""
    return np.where(SQUARE[..., None] > 0, np.uint8(color), np.uint8(0))


@pytest.mark.parametrize(
    'mask',
    [
        SQUARE,
        SQUARE // 255,  # numbers of classes
        SQUARE.astype(np.uint16) * 257,
        SQUARE.astype(np.uint16) // 255,
        np.dstack([SQUARE] * 3),
        np.dstack([SQUARE, SQUARE, SQUARE, np.full_like(SQUARE, 255)]),
        in_palette((0, 0, 128)),
        in_palette((0, 64, 0)),
        # Visible in alpha alone, whatever the color.
        *(
            np.dstack([np.full_like(SQUARE, level)] * 3 + [SQUARE])
            for level in (0, 90, 255)
        ),
        np.dstack(
            [
                np.zeros((*SQUARE.shape, 3), np.uint16),
                SQUARE.astype(np.uint16) * 257,
            ]
        ),
        # Marks that cannot be seen, white and in color.
        np.dstack([EVERYWHERE] * 3 + [SQUARE]),
        np.dstack([EVERYWHERE, 0 * SQUARE, 0 * SQUARE, SQUARE]),
        # Alpha that says nothing.
        np.dstack([SQUARE, SQUARE, SQUARE, 0 * SQUARE]),
    ],
)
def test_all_ways_to_mark_are_read(mask):
    assert np.array_equal(marked_pixels(png(mask)), SQUARE > 0)


def test_soft_alpha_is_cut_in_the_middle():
    ramp = np.zeros((1, 256, 4), np.uint8)
    ramp[0, :, 3] = np.arange(256)
    assert np.flatnonzero(marked_pixels(png(ramp))).tolist() == [
        *range(128, 256)
    ]


def test_a_palette_of_a_file_is_read(tmp_path):
    from PIL import Image

    image = Image.fromarray(SQUARE // 255, mode='L').convert('P')
    image.putpalette([0, 0, 0, 0, 0, 64])
    image.save(tmp_path / 'a.png')
    with Image.open(tmp_path / 'a.png') as again:
        assert again.mode == 'P'
    found = marked_pixels((tmp_path / 'a.png').read_bytes())
    assert np.array_equal(found, SQUARE > 0)


def test_gray_edges_are_cut_in_the_middle():
    _, jpeg = cv2.imencode('.jpg', SQUARE, [cv2.IMWRITE_JPEG_QUALITY, 60])
    noisy = cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)
    assert len(np.unique(noisy)) > 10
    assert np.array_equal(marked_pixels(png(noisy)), SQUARE > 0)
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert marked_pixels(png(ramp)).sum() == 128


def test_nothing_is_marked_in_black():
    found = parse(png(np.zeros((5, 9), np.uint8)), 'dent')
    assert found.objects == ()
    assert found.size == (9, 5)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'empty'),
        (b'no image', 'decoded'),
        (
            png(np.array([[0, 1, 2]], np.uint8)),
            '2 gray levels from 1 to 2.*white',
        ),
    ],
)
def test_what_is_no_mask_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        parse(data, 'dent')


@pytest.mark.parametrize(
    ('folders', 'classes'),
    [
        (['MT_Break', 'MT_Blowhole', 'MT_Free'], ['Break', 'Blowhole', '']),
        (['MT_Break', 'MT_Blowhole'], ['Break', 'Blowhole']),
        (['MT_Break'], ['MT_Break']),
        (['MT_', 'MT_Break'], ['MT_', 'MT_Break']),
        (['a-b-dent', 'a-b-rust', 'a-b-ok'], ['dent', 'rust', '']),
        (['broken', 'bruised', 'Good'], ['broken', 'bruised', '']),
        (['edge_dent', 'edge_dent_deep'], ['dent', 'dent_deep']),
        (['dent', 'Defect-Free', 'no defect'], ['dent', '', '']),
        (['dent', 'goods'], ['dent', 'goods']),
        ([], []),
    ],
)
def test_classes_are_named_like_the_folders(folders, classes):
    assert class_names(folders) == classes
