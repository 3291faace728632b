"""The default of how often a sample is swapped for a scene."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmdet_ddpm_moco.engine.scene_share import count_defective, scene_share


class Labeled:
    """As a built data set: for each image, which of its boxes are ignored."""

    def __init__(self, *images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def get_data_info(self, index):
        flags = self.images[index]
        return dict(instances=[dict(ignore_flag=flag) for flag in flags])


def share(scenes, *datasets):
    usable = SimpleNamespace(usable=lambda: np.arange(scenes))
    return scene_share(usable, datasets)


@pytest.mark.parametrize(
    ('scenes', 'labeled', 'expected'),
    [(22, 83, 22 / 105), (1, 3, 1 / 4), (3, 3, 1 / 2), (766, 120, 1 / 2)],
)
def test_their_share_and_at_most_one_half(scenes, labeled, expected):
    assert share(scenes, Labeled(*[[0]] * labeled)) == pytest.approx(expected)


def test_images_without_a_defect_and_ignored_boxes_do_not_count():
    dataset = Labeled([0], [], [1], [1, 0], [0, 0], [])
    assert count_defective([dataset]) == 3
    assert share(1, dataset) == pytest.approx(1 / 4)


def test_all_data_sets_count():
    assert share(2, Labeled([0], []), Labeled([0])) == pytest.approx(1 / 2)
    assert share(1, Labeled([0], []), Labeled([0])) == pytest.approx(1 / 3)


def test_without_a_labeled_defect_it_is_one_half():
    assert share(5, Labeled([], [])) == 0.5
    assert share(5, object()) == 0.5
