from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from helpers.tiny_banks import write_images
from mmdet_ddpm_moco.bank.compositing import alpha_box, crop
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis.gates import (
    MIN_CHANGE,
    QualityGates,
    seam,
    visible_change,
)
from mmdet_ddpm_moco.synthesis.planner import WindowPlan, WindowPlanner


def background(channels=1, seed=0):
    rng = np.random.RandomState(seed)
    return rng.randint(80, 160, (24, 20, channels)).astype(np.uint8)


def disc():
    alpha = np.zeros((24, 20), np.uint8)
    cv2.circle(alpha, (10, 12), 8, 120, -1)
    cv2.circle(alpha, (10, 12), 5, 255, -1)
    return alpha


def slow_change(before, after, alpha):
    """Means of 5 x 5 neighborhoods, mirrored at the border, by hand."""
    h, w, c = before.shape

    def mirrored(i, n):
        return -i if i < 0 else 2 * n - 2 - i if i >= n else i

    def blurred(pixels, y, x, k):
        return np.mean(
            [
                float(pixels[mirrored(y + j, h), mirrored(x + i, w), k])
                for j in range(-2, 3)
                for i in range(-2, 3)
            ]
        )

    differences = [
        abs(blurred(before, y, x, k) - blurred(after, y, x, k))
        for y in range(h)
        for x in range(w)
        for k in range(c)
        if alpha[y, x] == 255
    ]
    return np.mean(differences)


@pytest.mark.parametrize('channels', [1, 3])
def test_visible_change_equals_a_slow_reference(channels):
    before, after = background(channels), background(channels, seed=1)
    alpha = disc()
    alpha[0, 0] = alpha[23, 19] = 255
    found = visible_change(before, after, alpha)
    assert found == pytest.approx(slow_change(before, after, alpha), rel=1e-5)


def test_only_the_defect_itself_counts():
    before, alpha = background(), disc()
    after = before.copy()
    after[alpha < 255] = 0
    far = cv2.erode(alpha, np.ones((5, 5))) == 255
    only = np.where(far, 255, 0).astype(np.uint8)
    assert visible_change(before, after, only) == 0


@pytest.fixture
def gates(tmp_path):
    data = LabeledImages(*write_images(tmp_path / 'data'))
    planner = WindowPlanner(
        data, max_window=32, mix=dict(add=0.5, null=0.5), seed=0
    )
    return QualityGates(data, planner)


def judged(gates, kind, before, after, alpha=None):
    alpha = disc() if alpha is None else alpha
    plan = WindowPlan(
        kind, 0, 0, (0, 0, 20, 24), alpha, (5, 7, 11, 11), replaces=None
    )
    return gates.rejection(plan, before, after)


@pytest.mark.parametrize('kind', ['add', 'replaces'])
def test_new_grain_alone_is_no_defect(gates, kind):
    rng = np.random.RandomState(3)
    before = np.full((24, 20, 1), 120, np.uint8)
    grains = [
        np.clip(before + rng.randint(-4, 5, before.shape), 0, 255)
        for _ in range(2)
    ]
    grains = [grain.astype(np.uint8) for grain in grains]
    assert np.abs(grains[0].astype(int) - grains[1]).mean() > MIN_CHANGE
    assert judged(gates, kind, *grains) == 'nothing visible'


def painted(before, by, alpha=None):
    """The background with a blob that fades before the rim."""
    alpha = disc() if alpha is None else alpha
    blob = cv2.erode((alpha == 255).astype(np.uint8), np.ones((3, 3)))
    texture = np.random.RandomState(9).randint(0, abs(by) + 1, before.shape)
    texture = cv2.blur(texture.astype(float), (3, 3)).reshape(before.shape)
    after = before + blob[..., None] * (by + np.sign(by) * texture)
    return np.clip(after, 0, 255).astype(np.uint8)


@pytest.mark.parametrize('kind', ['add', 'replaces'])
def test_a_defect_with_a_clean_rim_is_accepted(gates, kind):
    before = background()
    assert judged(gates, kind, before, painted(before, 60)) is None


def test_a_window_without_defect_may_look_unchanged(gates):
    assert judged(gates, 'null', background(), background()) is None


@pytest.mark.parametrize('kind', ['add', 'replaces', 'null'])
def test_a_patch_of_another_tone_has_a_seam(gates, kind):
    before = np.full((24, 20, 1), 120, np.uint8)
    before += np.random.RandomState(0).randint(0, 4, before.shape, np.uint8)
    alpha = disc()
    gray = painted(np.full_like(before, 150), 60)
    after = np.where(alpha[..., None] > 0, gray, before)
    assert judged(gates, kind, before, after) == 'seam'


def test_a_seam_of_the_original_window_is_accepted(gates):
    """Such as the border of a plate along the rim."""
    before = np.full((24, 20, 1), 60, np.uint8)
    before[disc() > 0] = 200
    assert seam(before, disc()) > gates.max_seam
    after = painted(before, -80)
    assert judged(gates, 'add', before, after) is None


def test_a_variation_must_differ_from_its_source(gates):
    """Twice the contrast is the same defect."""
    before, alpha = background(), np.zeros((24, 20), np.uint8)
    alpha[6:18, 5:15] = 255
    doubled = 2 * before[6:18, 5:15].astype(int) - 120
    after = before.copy()
    after[6:18, 5:15] = np.clip(doubled, 0, 255)
    assert visible_change(before, after, alpha) >= MIN_CHANGE
    assert judged(gates, 'replaces', before, after, alpha) == 'near copy'
    # It would be a new defect elsewhere: no training defect looks like it.
    assert judged(gates, 'add', before, after, alpha) is None


def test_an_added_defect_must_not_be_a_training_defect(tmp_path):
    boxes = [('dent', 4 + i, 5, 11, 11) for i in range(3)]
    data = LabeledImages(
        *write_images(tmp_path / 'data', [[box] for box in boxes])
    )
    planner = WindowPlanner(data, max_window=32, mix=dict(add=1), seed=0)
    gates = QualityGates(data, planner)
    before, alpha = background(), disc()
    index, defect = data.by_class[0][1]
    seen = crop(data.read(index), defect.box)[::-1]
    after = before.copy()
    after[7:18, 5:16] = seen
    box = np.where(alpha > 0, 1, 0).astype(np.uint8)
    box[7:18, 5:16] = 255
    gates.max_seam = np.inf
    assert judged(gates, 'add', before, after, box) == 'near copy'
    assert judged(gates, 'replaces', before, after, box) is None


@pytest.mark.parametrize('kind', ['add', 'replaces'])
def test_a_defect_that_covers_nothing_is_not_accepted(gates, kind):
    """The mean change of no pixel is NaN."""
    alpha = np.where(disc() == 255, 254, disc()).astype(np.uint8)
    after = background(seed=1)
    assert judged(gates, kind, background(), after, alpha) == 'nothing visible'


def test_the_limit_is_that_of_original_windows(tmp_path):
    """One of 100 real windows may have a stronger seam."""
    data = LabeledImages(*write_images(tmp_path / 'data'))
    planner = WindowPlanner(data, max_window=32, mix=dict(null=1.0), seed=0)
    gates = QualityGates(data, planner)
    over = 0
    for number in range(1000, 2000):
        plan = planner.plan(number)
        real = crop(data.read(plan.image), plan.window)
        over += seam(real, plan.alpha) > gates.max_seam
    assert 0 < over < 40


def test_a_detector_is_the_last_gate(tmp_path):
    """It gets the whole host with the window pasted."""
    data = LabeledImages(*write_images(tmp_path / 'data'))
    planner = WindowPlanner(
        data, max_window=32, mix=dict(add=0.5, null=0.5), seed=0
    )
    asked = []

    def finds(image, box, label):
        asked.append((image, box, label))
        return len(asked) > 1

    gates = QualityGates(data, planner, SimpleNamespace(finds=finds))
    host = data.read(0)
    before = crop(host, (0, 0, 20, 24))
    gates.max_seam = np.inf
    after = painted(before, 60)
    assert judged(gates, 'add', before, after) == 'not detected'
    assert judged(gates, 'add', before, after) is None
    # Of nothing visible it is not asked.
    assert judged(gates, 'add', before, before) == 'nothing visible'
    assert len(asked) == 2
    image, box, label = asked[0]
    assert (box, label) == ((5, 7, 11, 11), 0)
    assert image.shape == (40, 48, 3)
    for channel in range(3):
        assert np.array_equal(image[:24, :20, channel], after[..., 0])
        assert np.array_equal(image[24:, :, channel], host[24:, :, 0])
        assert np.array_equal(image[:, 20:, channel], host[:, 20:, 0])
    assert np.array_equal(crop(data.read(0), (0, 0, 20, 24)), before)


@pytest.mark.parametrize(
    'before, after, reason',
    [
        (False, False, None),
        (False, True, 'defect in a null window'),
        # A detector's false alarm was there already.
        (True, True, None),
    ],
)
def test_a_null_window_shows_no_new_defect(tmp_path, before, after, reason):
    data = LabeledImages(*write_images(tmp_path / 'data'))
    planner = WindowPlanner(
        data, max_window=32, mix=dict(add=0.5, null=0.5), seed=0
    )
    host = data.read(0)
    places = []

    def sees_any(image, box):
        places.append(box)
        same = np.array_equal(image[..., :1], host)
        return before if same else after

    gates = QualityGates(data, planner, SimpleNamespace(sees_any=sees_any))
    gates.max_seam = np.inf
    original = crop(host, (0, 0, 20, 24))
    changed = painted(original, 60)
    assert judged(gates, 'null', original, changed) == reason
    assert set(places) == {alpha_box(disc())}
