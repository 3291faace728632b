import hashlib

import numpy as np
import pytest

from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.synthesis.judge_gate import JudgeGate


class OneBox:
    """A detector that always sees a dent at (10, 10, 20, 20)."""

    def detect(self, images):
        assert len(images) == 1
        yield Detections(
            np.array([[10, 10, 30, 30]], np.float32),
            np.array([0.4], np.float32),
            np.array([0]),
        )


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'judge.pth'
    path.write_bytes(b'weights')
    return path


@pytest.mark.parametrize(
    ('box', 'label', 'options', 'found'),
    [
        ((10, 10, 20, 20), 0, {}, True),
        ((10, 10, 20, 20), 1, {}, False),
        ((10, 10, 20, 20), 0, dict(score=0.5), False),
        # Half of the union of both boxes.
        ((10, 10, 20, 10), 0, {}, True),
        ((10, 10, 20, 10), 0, dict(iou=0.6), False),
        ((60, 60, 20, 20), 0, {}, False),
    ],
)
def test_place_class_and_score_must_be_right(
    checkpoint, box, label, options, found
):
    gate = JudgeGate(OneBox(), checkpoint, **options)
    assert gate.finds(np.zeros((99, 99, 3), np.uint8), box, label) is found


@pytest.mark.parametrize(
    ('box', 'options', 'seen'),
    [
        # The found box lies in the place, or half of it does.
        ((5, 5, 60, 60), {}, True),
        ((10, 10, 10, 20), {}, True),
        ((10, 10, 8, 20), {}, False),
        ((5, 5, 60, 60), dict(score=0.5), False),
        ((60, 60, 20, 20), {}, False),
    ],
)
def test_any_class_is_seen(checkpoint, box, options, seen):
    gate = JudgeGate(OneBox(), checkpoint, **options)
    assert gate.sees_any(np.zeros((99, 99, 3), np.uint8), box) is seen


def test_its_settings_tell_detectors_apart(checkpoint):
    gate = JudgeGate(OneBox(), checkpoint, iou=0.7)
    digest = hashlib.sha256(b'weights').hexdigest()
    assert gate.settings == dict(sha256=digest, iou=0.7, score=0.3)


@pytest.mark.parametrize(
    'wrong', [dict(iou=0), dict(iou=1.1), dict(score=-0.1), dict(score=2)]
)
def test_limits_out_of_range(checkpoint, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'{name} must be in'):
        JudgeGate(OneBox(), checkpoint, **wrong)
