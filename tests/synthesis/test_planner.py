import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny_banks import CLASSES, DEFECTS, write_images
from mmdet_ddpm_moco.bank.compositing import alpha_box, crop, overlaps
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis.planner import WindowPlanner

MIX = dict(add=0.4, replaces=0.5, null=0.1)


@pytest.fixture
def data(tmp_path):
    return LabeledImages(*write_images(tmp_path))


@pytest.fixture(scope='module')
def large_data(tmp_path_factory):
    """Images with enough defect-free area."""
    root = tmp_path_factory.mktemp('large')
    return LabeledImages(*write_images(root, size=(160, 120)))


def planner(data, max_window=64, mix=MIX, seed=0, **options):
    return WindowPlanner(
        data, max_window=max_window, mix=mix, seed=seed, **options
    )


def same(a, b):
    fields = ('kind', 'label', 'image', 'window', 'box', 'replaces')
    return all(
        getattr(a, name) == getattr(b, name) for name in fields
    ) and np.array_equal(a.alpha, b.alpha)


def test_a_plan_depends_on_seed_and_number_alone(data):
    numbers = list(range(60))
    forwards = {n: planner(data).plan(n) for n in numbers}
    one = planner(data)
    backwards = {n: one.plan(n) for n in reversed(numbers)}
    np.random.seed(1)
    again = {n: one.plan(n) for n in np.random.permutation(numbers)}
    other = planner(data, seed=1)
    assert all(same(forwards[n], backwards[n]) for n in numbers)
    assert all(same(forwards[n], again[n]) for n in numbers)
    assert sum(same(forwards[n], other.plan(n)) for n in numbers) < 5
    neighbors = itertools.pairwise(numbers)
    assert sum(same(forwards[a], forwards[b]) for a, b in neighbors) < 5


def test_planning_leaves_the_global_rng_unchanged(data):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    planner(data).plan(7)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize(
    'mix', [MIX, dict(add=1.0), dict(replaces=0.25, null=0.75)]
)
def test_kinds_follow_the_mix(large_data, mix):
    plans = [planner(large_data, mix=mix).plan(n) for n in range(400)]
    for kind in MIX:
        share = np.mean([plan.kind == kind for plan in plans])
        # Four standard deviations.
        wanted = mix.get(kind, 0)
        assert abs(share - wanted) <= 4 * (wanted * (1 - wanted) / 400) ** 0.5


def test_classes_are_drawn_alike_however_rare(large_data):
    plans = [planner(large_data, mix=dict(add=1)).plan(n) for n in range(400)]
    counts = np.bincount([plan.label for plan in plans], minlength=3)
    assert len(counts) == 3
    assert (abs(counts - 400 / 3) < 40).all()


def test_classes_follow_their_weights(large_data):
    first, second = CLASSES[:2]
    weights = {first: 0, second: 3}
    planning = planner(large_data, mix=dict(add=1), per_class=weights)
    plans = [planning.plan(n) for n in range(400)]
    counts = np.bincount([plan.label for plan in plans], minlength=3)
    assert counts[0] == 0 and counts.sum() == 400
    # Four standard deviations at most.
    assert abs(counts[1] - 300) < 35


@pytest.fixture
def without_scratches(tmp_path):
    """A class is known, and no image left has it."""
    images = [defects for defects in DEFECTS if defects != DEFECTS[2]]
    return LabeledImages(*write_images(tmp_path, images, size=(160, 120)))


def test_a_weight_of_a_class_without_labels_does_not_count(without_scratches):
    weights = dict(dent=0, scratch=5)
    planning = planner(without_scratches, mix=dict(add=1), per_class=weights)
    labels = {planning.plan(n).label for n in range(40)}
    assert labels == {CLASSES.index('pit')}


def test_classes_with_labels_need_a_weight(without_scratches):
    weights = dict(dent=0, pit=0, scratch=5)
    with pytest.raises(ValueError, match=r'per_class must .*is labeled'):
        planner(without_scratches, per_class=weights)


def test_shares_may_be_rounded(data):
    third = 0.3333333
    planning = planner(data, mix=dict(add=third, replaces=third, null=third))
    assert {planning.plan(n).kind for n in range(40)} == {*MIX}
    assert sum(planning.shares) == pytest.approx(1, abs=1e-12)


def check(plan, data, max_window):
    """What is true of every plan."""
    image = data.images[plan.image]
    x, y, w, h = plan.window
    assert 0 <= x < x + w <= image.size[0]
    assert 0 <= y < y + h <= image.size[1]
    assert w * h <= max_window**2
    alpha = plan.alpha
    assert alpha.dtype == np.uint8
    assert alpha.shape == (h, w)
    assert (alpha == 255).any()
    # No seam where the window ends inside the image.
    for edge, inner in (
        (alpha[:, 0], x > 0),
        (alpha[0], y > 0),
        (alpha[:, -1], x + w < image.size[0]),
        (alpha[-1], y + h < image.size[1]),
    ):
        assert not (inner and edge.any())
    boxes = [defect.box for defect in image.defects]
    if plan.kind == 'replaces':
        (replaced,) = (d for d in image.defects if d.ann_id == plan.replaces)
        assert plan.box == replaced.box
        assert plan.label == replaced.label
        bx, by, bw, bh = plan.box
    else:
        assert plan.replaces is None
    if plan.kind == 'add':
        bx, by, bw, bh = plan.box
        assert not any(overlaps(plan.box, box) for box in boxes)
        # The whole defect is inside, and its box is tight around it.
        full = np.zeros(image.size[::-1], bool)
        crop(full, plan.window)[:] = alpha == 255
        rows, columns = np.nonzero(full)
        assert (columns.min(), rows.min()) == (bx, by)
        assert (columns.max() + 1, rows.max() + 1) == (bx + bw, by + bh)
        all_ranks = [
            {d.label for d in i.defects}
            for i in data.images
            if plan.label in {d.label for d in i.defects}
        ]
        allowed = set().union(*all_ranks)
        assert {d.label for d in image.defects} <= allowed
    if plan.kind == 'null':
        assert plan.label == len(data.classes)
        assert plan.box == (0, 0, 0, 0)
    if plan.kind in ('add', 'null'):
        # Alpha, its rim included, keeps clear of every labeled defect.
        whole = np.zeros(image.size[::-1], np.uint8)
        crop(whole, plan.window)[:] = alpha
        assert not any(crop(whole, box).any() for box in boxes)
    else:
        outside = np.ones(image.size[::-1], bool)
        crop(outside, plan.box)[:] = False
        assert not (crop(outside, plan.window) & (alpha == 255)).any()


@pytest.mark.parametrize('max_window', [16, 30, 32, 64, 200])
@pytest.mark.parametrize('size', [(48, 40), (31, 44), (90, 70)])
def test_every_plan_is_valid(tmp_path, size, max_window):
    images = [[d for d in i if d[1] + d[3] <= size[0]] for i in DEFECTS]
    data = LabeledImages(*write_images(tmp_path, images, size))
    plans = [planner(data, max_window).plan(n) for n in range(150)]
    for plan in plans:
        check(plan, data, max_window)
    assert {plan.kind for plan in plans} >= {'replaces'}
    if max_window >= 32:
        assert {plan.kind for plan in plans} == set(MIX)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_every_plan_is_valid_on_random_images(tmp_path_factory, data):
    size = data.draw(st.tuples(*[st.integers(20, 70)] * 2))

    def box():
        w, h = (data.draw(st.integers(1, side)) for side in size)
        x, y = (
            data.draw(st.integers(0, side - length))
            for side, length in zip(size, (w, h))
        )
        return data.draw(st.sampled_from(CLASSES)), x, y, w, h

    images = [
        [box() for _ in range(data.draw(st.integers(0, 3)))] for _ in range(2)
    ]
    images.append([box()])
    root = tmp_path_factory.mktemp('random')
    loaded = LabeledImages(*write_images(root, images, size))
    max_window = data.draw(st.integers(16, 80))
    one = planner(loaded, max_window, seed=data.draw(st.integers(0, 99)))
    for number in range(10):
        check(one.plan(number), loaded, max_window)


def test_hosts_are_those_where_the_classes_occur_together(data):
    plans = [planner(data, mix=dict(add=1)).plan(n) for n in range(300)]
    added = {(CLASSES[p.label], p.image) for p in plans if p.kind == 'add'}
    # Image 0 has a dent and a pit, 1 a pit, 2 a scratch, 3 nothing.
    assert added == {
        *(('dent', i) for i in (0, 1, 3)),
        *(('pit', i) for i in (0, 1, 3)),
        *(('scratch', i) for i in (2, 3)),
    }


@pytest.mark.parametrize('labeled', [0, 2])
def test_nothing_is_added_where_teachers_may_have_missed_defects(
    tmp_path, labeled
):
    ann_file, prefix = write_images(tmp_path, size=(160, 120))
    coco = json.loads(ann_file.read_text())
    for image in coco['images'][labeled:]:
        image['pseudo_labeled'] = True
    ann_file.write_text(json.dumps(coco))
    loaded = LabeledImages(ann_file, prefix)
    every = [planner(loaded).plan(n) for n in range(200)]
    painted = {(plan.kind == 'replaces', plan.image) for plan in every}
    # Image 3 has no defect that could be replaced.
    assert painted == {
        *((True, image) for image in (0, 1, 2)),
        *((False, image) for image in range(labeled)),
    }


def test_without_a_defect_free_area_a_defect_is_replaced(tmp_path):
    crowded = [[('dent', 2, 2, 44, 36)], [('pit', 0, 0, 48, 40)]]
    data = LabeledImages(*write_images(tmp_path, crowded))
    for mix in (dict(add=1.0), dict(null=1.0)):
        plans = [planner(data, mix=mix).plan(n) for n in range(20)]
        assert {plan.kind for plan in plans} == {'replaces'}


def test_a_defect_larger_than_a_window_is_replaced_in_part(tmp_path):
    data = LabeledImages(
        *write_images(tmp_path, [[('pit', 5, 5, 80, 60)]], (100, 90))
    )
    plans = [planner(data, 32).plan(n) for n in range(30)]
    assert {plan.window[2:] for plan in plans} == {(32, 32)}
    assert len({plan.window for plan in plans}) > 20
    for plan in plans:
        check(plan, data, 32)
        assert plan.box == (5, 5, 80, 60)


def rectangle_polygon(x, y, w, h):
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def triangle(x, y, w, h):
    return [[x, y, x + w, y, x, y + h]]


def test_shapes_are_those_of_the_masks_mirrored(tmp_path):
    masks = {1: triangle(20, 10, 16, 12)}
    data = LabeledImages(
        *write_images(tmp_path, [[('dent', 20, 10, 16, 12)], []], masks=masks)
    )
    defect = data.images[0].defects[0]
    own = data.images[0].mask(defect)
    shape = crop(own, alpha_box(own * np.uint8(255)))
    assert 0.4 < shape.mean() < 0.65
    mirrored = [
        s.tobytes() for f in (shape, shape[::-1]) for s in (f, f[:, ::-1])
    ]
    seen = set()
    for number in range(60):
        plan = planner(data, mix=dict(add=0.5, replaces=0.5)).plan(number)
        full = np.zeros(data.images[plan.image].size[::-1], bool)
        crop(full, plan.window)[:] = plan.alpha == 255
        found = crop(full, alpha_box(full * np.uint8(255))).tobytes()
        if plan.kind == 'replaces':
            assert found == mirrored[0]
        else:
            seen.add(mirrored.index(found))
    assert seen == {0, 1, 2, 3}


def test_a_mask_that_misses_its_box_adds_no_empty_defect(tmp_path):
    """A thin polygon may cover no pixel at all; its box would be wrong."""
    masks = {1: [[20, 10, 34, 10.2, 20, 10.1]]}
    data = LabeledImages(
        *write_images(
            tmp_path, [[('scratch', 20, 10, 14, 1)], []], masks=masks
        )
    )
    for number in range(20):
        plan = planner(data, mix=dict(add=1)).plan(number)
        assert (plan.alpha == 255).any()


def test_the_label_of_an_added_defect_is_as_large_as_the_defect(tmp_path):
    """Annotated boxes are often larger than their masks."""
    masks = {1: rectangle_polygon(22, 12, 6, 5)}
    data = LabeledImages(
        *write_images(tmp_path, [[('dent', 16, 8, 18, 14)], []], masks=masks)
    )
    for number in range(10):
        check(planner(data, mix=dict(add=1)).plan(number), data, 64)


def test_replacing_a_defect_leaves_the_others_unchanged(tmp_path):
    """An annotation under the alpha would label a removed defect."""
    small = ('pit', 22, 16, 4, 4)
    data = LabeledImages(
        *write_images(tmp_path, [[('dent', 10, 8, 28, 24), small]])
    )
    erased = 0
    for number in range(40):
        plan = planner(data, mix=dict(replaces=1)).plan(number)
        if plan.replaces == 1:
            full = np.zeros((40, 48), np.uint8)
            crop(full, plan.window)[:] = plan.alpha
            erased += (crop(full, small[1:]) == 255).all()
    assert erased == 0


def test_without_a_free_area_a_defect_keeps_its_shape(tmp_path):
    """Nothing but its own pixels is painted, as in any replacement."""
    long, small = ('scratch', 10, 10, 140, 140), ('pit', 50, 100, 12, 8)
    masks = {1: [[10, 10, 16, 10, 150, 144, 150, 150, 144, 150, 10, 16]]}
    data = LabeledImages(
        *write_images(tmp_path, [[long, small]], (160, 160), masks=masks)
    )
    image = data.images[0]
    own = image.mask(image.defects[0])
    planning = planner(data, mix=dict(add=0.5, null=0.5))
    plans = [planning.plan(number) for number in range(60)]
    parts = [plan for plan in plans if plan.replaces == 1]
    assert len(parts) > 10
    for plan in parts:
        visible = plan.alpha == 255
        assert visible.any()
        assert not (visible & ~crop(own, plan.window)).any()


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(max_window=15), ['max_window', '16', '15']),
        (dict(max_window=-1), ['max_window', '-1']),
        (dict(mix=dict(add=0.5, replaces=0.4)), ['mix', 'sum', '0.4']),
        (dict(mix=dict(add=1.5, replaces=-0.5)), ['mix', '-0.5']),
        (dict(mix=dict(add=0.5, remove=0.5)), ['mix', 'remove', 'replaces']),
        (dict(mix=dict()), ['mix', 'add', 'replaces', 'null']),
        (dict(mix=dict(add=float('nan'))), ['mix', 'nan']),
        (dict(seed=-1), ['seed', '-1']),
        (dict(per_class=dict(rust=2)), ['per_class', 'rust', CLASSES[0]]),
        (dict(per_class={CLASSES[0]: -1}), ['per_class', '-1']),
        (dict(per_class=dict.fromkeys(CLASSES, 0)), ['per_class', 'above']),
        (dict(per_class={CLASSES[0]: float('nan')}), ['per_class', 'nan']),
    ],
)
def test_arguments_out_of_range(data, changes, words):
    with pytest.raises(ValueError) as error:
        planner(data, **changes)
    message = str(error.value)
    assert '\n' not in message
    assert all(re.search(re.escape(word), message) for word in words)
