"""DiffusionDefectAugment on random samples and banks, against a slow one."""

import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

import helpers.rotated_boxes  # noqa: F401 - registers rotated boxes
from helpers.slow_paste import slow_augment
from mmdet_ddpm_moco.bank.compositing import alpha_box, composite, crop
from mmdet_ddpm_moco.bank.format import KINDS
from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from mmdet_ddpm_moco.datasets.transforms.pasted_sample import ORIGINS
from mmdet_ddpm_moco.datasets.window_geometry import defect_alpha, outer_box

CLASSES = ('pit', 'scratch')
PATH = '/data/set/1.png'
# Opening a bank takes longest: each one serves this many samples.
SAMPLES = 20


def draw_box(rng, width, height):
    """A box that is not of whole pixels, and may reach out of the image."""
    w, h = rng.uniform(2, width / 2), rng.uniform(2, height / 2)
    x, y = rng.uniform(-2, width - 4), rng.uniform(-2, height - 4)
    return [x, y, min(x + w, width + 1.5), min(y + h, height + 1.5)]


def make_bank(root, rng, image, corners, labels):
    """Random windows of all kinds; some replace one of the boxes."""
    height, width = image.shape[:2]
    writer = BankWriter(root, dict(classes=CLASSES))
    records, pictures = [], []
    for _ in range(rng.randint(1, 7)):
        kind = KINDS[rng.randint(3)]
        w, h = (min(16 * rng.randint(1, 3), side) for side in (width, height))
        window = (rng.randint(width - w + 1), rng.randint(height - h + 1))
        window = tuple(int(v) for v in (*window, w, h))
        label = int(rng.randint(2))
        x, y = window[0] + w // 4, window[1] + h // 4
        box = (x, y, int(rng.randint(1, w // 2)), int(rng.randint(1, h // 2)))
        if kind == 'replaces':
            if not len(corners):
                continue
            i = rng.randint(len(corners))
            box, label = outer_box(corners[i], (width, height)), labels[i]
            if rng.rand() < 0.1:  # of other annotations
                label = 1 - label
        alpha = defect_alpha(window, (width, height), box, None)
        tight = alpha_box(alpha)
        if tight is None:
            continue
        if kind == 'add':
            box = (window[0] + tight[0], window[1] + tight[1], *tight[2:])
        elif kind == 'null':
            box = (0, 0, 0, 0)
        part = crop(image, window)
        painted = rng.randint(0, 256, part.shape).astype(np.uint8)
        mixed = composite(part, painted, alpha)
        pictures.append(np.dstack([mixed, alpha]))
        records.append(
            dict(
                number=len(records),
                kind=kind,
                label=2 if kind == 'null' else int(label),
                source='set/1.png',
                window=list(window),
                box=[int(v) for v in box],
                replaces=None,
                rejected=None,
            )
        )
    writer.write_block(0, records, pictures)
    writer.close(len(records))


def boxes_of(kind, corners, dtype):
    horizontal = HorizontalBoxes(
        np.array(corners, np.float64).reshape(-1, 4), dtype=dtype
    )
    return horizontal.convert_to('rbox') if kind == 'rotated' else horizontal


def masks_of(kind, corners, height, width):
    if kind == 'polygons':
        polygons = [
            [np.array([x0, y0, x1, y0, x1, y1, x0, y1])]
            for x0, y0, x1, y1 in corners
        ]
        return PolygonMasks(polygons, height, width)
    masks = np.zeros((len(corners), height, width), kind)
    for mask, (x, y, w, h) in zip(
        masks, (outer_box(c, (width, height)) for c in corners)
    ):
        mask[y : y + h, x : x + w] = 1
    return BitmapMasks(masks, height, width)


def check_case(seed, options):
    """One random image and bank, and `SAMPLES` random draws."""
    rng = np.random.RandomState(seed)
    height, width = (int(v) for v in rng.randint(34, 80, 2))
    image = rng.randint(60, 190, (height, width, 3)).astype(np.uint8)
    corners = [draw_box(rng, width, height) for _ in range(rng.randint(0, 5))]
    labels = [int(v) for v in rng.randint(0, 2, len(corners))]
    ignored = rng.rand(len(corners)) < 0.2
    semantic = rng.randint(0, 9, (height, width))
    dtype = options['box_dtype']
    boxes = boxes_of(options['boxes'], corners, dtype)
    least = options['min_visibility']
    folder = tempfile.mkdtemp()
    try:
        root = Path(folder) / 'bank'
        make_bank(root, rng, image, corners, labels)
        order = CLASSES[:: options['order']]
        augment = DiffusionDefectAugment(
            str(root), 0.9, 3, order, min_visibility=least
        )
        windows = augment.bank.windows_of(PATH)
        names = [order.index(name) for name in CLASSES]
        for draw in range(SAMPLES):
            given = dict(
                img=image.astype(options['pixels']),
                img_path=PATH,
                gt_bboxes=boxes.clone(),
                gt_bboxes_labels=np.array(
                    [names[v] for v in labels], np.int64
                ),
                gt_ignore_flags=ignored.copy(),
            )
            if options['masks'] is not None:
                given['gt_masks'] = masks_of(
                    options['masks'], corners, height, width
                )
            if options['semantic'] is not None:
                given['gt_seg_map'] = semantic.astype(options['semantic'])
                given['ignore_index'] = int(rng.randint(250, 256))
            expected = None
            np.random.seed(draw)
            if np.random.rand() < 0.9 and windows:
                wanted = np.random.randint(1, 4)
                permutation = np.random.permutation(len(windows))
                expected = slow_augment(
                    root, windows, given, names, wanted, permutation, least
                )
            before = {**given}
            np.random.seed(draw)
            check_sample(before, augment.transform({**given}), expected)
    finally:
        shutil.rmtree(folder)


def check_sample(given, results, expected):
    """Types, lengths and ranges; and the values of the slow one."""
    height, width = given['img'].shape[:2]
    number = len(results['gt_bboxes'])
    for key in ('img', 'gt_bboxes_labels', 'gt_ignore_flags'):
        assert type(results[key]) is type(given[key])
        assert results[key].dtype == given[key].dtype
    assert type(results['gt_bboxes']) is type(given['gt_bboxes'])
    tensor, old = results['gt_bboxes'].tensor, given['gt_bboxes'].tensor
    assert tensor.dtype == old.dtype and tensor.shape[1:] == old.shape[1:]
    assert not tensor.isnan().any()
    assert torch.equal(tensor[: len(old)], old)
    new = results['gt_bboxes'].convert_to('hbox').tensor[len(old) :]
    assert (new >= 0).all()
    assert (new <= torch.tensor([width, height] * 2)).all()
    assert (new[:, 2:] > new[:, :2]).all()
    lengths = [
        len(results[key])
        for key in ('gt_bboxes_labels', 'gt_ignore_flags', 'box_origins')
    ]
    assert lengths == [number] * 3
    assert (results['box_origins'] < len(ORIGINS)).all()
    if 'gt_masks' in given:
        check_masks(given['gt_masks'], results, new)
    check_semantic(given, results, None if expected is None else expected[5])
    if expected is None:
        assert np.array_equal(results['img'], given['img'])
        assert number == len(old)
        return
    image, corners, labels, ignored, origins, _ = expected
    assert np.array_equal(results['img'], image.astype(given['img'].dtype))
    slow = torch.tensor(corners).reshape(-1, 4).to(tensor)
    assert torch.allclose(
        results['gt_bboxes'].convert_to('hbox').tensor, slow, atol=1e-3
    )
    assert results['gt_bboxes_labels'].tolist() == labels
    assert results['gt_ignore_flags'].tolist() == ignored
    assert results['box_origins'].tolist() == origins


def check_semantic(given, results, expected):
    old, new = given.get('gt_seg_map'), results.get('gt_seg_map')
    if old is None:
        assert new is None
        return
    assert new.dtype == old.dtype
    assert np.array_equal(new, old if expected is None else expected)
    assert old.max() < 9  # the sample's own is another array


def check_masks(given, results, new):
    masks = results['gt_masks']
    assert type(masks) is type(given)
    assert len(masks) == len(results['gt_bboxes'])
    assert (masks.height, masks.width) == (given.height, given.width)
    if isinstance(masks, BitmapMasks):
        kept = given.masks.dtype if len(given) else np.uint8
        assert not len(masks) or masks.masks.dtype == kept
        for mask, corners in zip(masks.masks[len(given) :], new.tolist()):
            rows, columns = np.nonzero(mask)
            tight = columns.min(), rows.min()
            tight = [*tight, columns.max() + 1, rows.max() + 1]
            assert np.allclose(tight, corners, atol=1e-3)


OPTIONS = st.fixed_dictionaries(
    dict(
        boxes=st.sampled_from(['horizontal', 'rotated']),
        box_dtype=st.sampled_from([torch.float32, torch.float64]),
        masks=st.sampled_from([None, 'polygons', 'uint8', 'bool']),
        semantic=st.sampled_from([None, 'uint8', 'int64']),
        pixels=st.sampled_from(['uint8', 'float32']),
        order=st.sampled_from([1, -1]),
        min_visibility=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    )
)
SEEDS = st.integers(0, 2**32 - 1)
UNHURRIED = settings(
    deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@settings(UNHURRIED, max_examples=6)
@given(SEEDS, OPTIONS)
def test_samples_are_as_the_slow_ones(seed, options):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        check_case(seed, options)


@pytest.mark.slow
@settings(UNHURRIED, max_examples=500)
@given(SEEDS, OPTIONS)
def test_ten_thousand_samples_are_as_the_slow_ones(seed, options):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        check_case(seed, options)
