"""Predictions of teachers in files: kept whole, in parts, or made anew."""

import cv2
import numpy as np
import pytest

from mmdet_ddpm_moco.engine import teacher_predictions
from mmdet_ddpm_moco.engine.teacher_predictions import predictions
from mmdet_ddpm_moco.evaluation.judge import Detections

SIDE = 24
FLIPS = ('none', 'horizontal')


class BrightPixel:
    """Finds the brightest pixel of an image; may be killed at one."""

    def __init__(self, dies_at=None):
        self.dies_at = dies_at
        self.shown = 0

    def detect(self, images):
        for image in images:
            if self.shown == self.dies_at:
                raise KeyboardInterrupt
            self.shown += 1
            y, x = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
            box = np.float32([[x, y, x + 1, y + 1]])
            yield Detections(box, np.float32([0.9]), np.array([0]))


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks a judge about five images, whose bright pixels differ."""
    config = tmp_path / 'detector.py'
    config.write_text(
        "model = dict(type='X')\n"
        'test_dataloader = dict(dataset=dict(pipeline=[]))\n'
    )
    weights = tmp_path / 'weights.pth'
    weights.write_bytes(b'weights')
    images = []
    for number in range(5):
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[number, 2 * number] = 255
        cv2.imwrite(str(tmp_path / f'{number}.png'), pixels)
        images.append(dict(file_name=f'{number}.png', width=SIDE, height=SIDE))
    folder = tmp_path / 'teacher'
    folder.mkdir()

    def asked(judge, flips=FLIPS):
        monkeypatch.setattr(teacher_predictions, 'PART', 2)
        monkeypatch.setattr(
            teacher_predictions, 'load_judge', lambda *_: judge
        )
        return predictions(
            (config, weights),
            ('dent',),
            images,
            tmp_path,
            flips,
            folder / 'unlabeled.npz',
            'cpu',
        )

    asked.folder = folder
    return asked


def check(found):
    """Both views of each image have its pixel, in its own coordinates."""
    assert len(found) == 5
    for number, views in enumerate(found):
        x, y = 2 * number, number
        assert len(views) == len(FLIPS)
        for view in views:
            np.testing.assert_array_equal(view.boxes, [[x, y, x + 1, y + 1]])


def test_a_kill_costs_one_part(ask):
    with pytest.raises(KeyboardInterrupt):
        ask(BrightPixel(dies_at=7))  # in the second of three parts
    judge = BrightPixel()
    check(ask(judge))
    assert judge.shown == 6
    assert [f.name for f in ask.folder.iterdir()] == ['unlabeled.npz']
    again = BrightPixel()
    check(ask(again))
    assert again.shown == 0


def test_parts_of_other_flips_are_not_taken(ask):
    with pytest.raises(KeyboardInterrupt):
        ask(BrightPixel(dies_at=3), flips=('none',))
    judge = BrightPixel()
    check(ask(judge))
    assert judge.shown == 10
    assert [f.name for f in ask.folder.iterdir()] == ['unlabeled.npz']
