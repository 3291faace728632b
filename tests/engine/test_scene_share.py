"""The default of how often a sample is swapped for a scene."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmengine.dataset import ConcatDataset, RepeatDataset

from helpers.tiny_detection import LOAD
from mmdet_ddpm_moco.engine import scene_share as scene_share_module
from mmdet_ddpm_moco.engine.scene_share import count_defective, scene_share


class Labeled(CocoDataset):
    """For each image, which of its boxes are ignored."""

    def __init__(self, *images):
        self.images = images
        super().__init__(pipeline=LOAD, serialize_data=False)

    def load_data_list(self):
        return [
            dict(instances=[dict(ignore_flag=flag) for flag in flags])
            for flags in self.images
        ]

    def filter_data(self):
        return self.data_list


class Balanced:
    """A wrapper that repeats images with a defect."""

    def __init__(self, dataset, times):
        self.dataset = dataset
        self.order = [
            index
            for index, flags in enumerate(dataset.images)
            for _ in range(times if flags else 1)
        ]

    def __len__(self):
        return len(self.order)

    def get_data_info(self, index):
        return self.dataset.get_data_info(self.order[index])


def share(scenes, dataset):
    usable = SimpleNamespace(usable=lambda: np.arange(scenes))
    return scene_share(usable, dataset)


@pytest.mark.parametrize('scenes', [1, 22, 766])
@pytest.mark.parametrize('defective', [3, 83])
@pytest.mark.parametrize('free', [0, 5, 200])
@pytest.mark.parametrize('times', [1, 3])
def test_a_scene_comes_as_often_as_a_labeled_image_with_a_defect(
    scenes, defective, free, times
):
    dataset = Labeled(*[[0]] * defective, *[[]] * free)
    whole = Balanced(dataset, times) if times > 1 else dataset
    found = share(scenes, whole)
    of_defects = times * defective / (times * defective + free)
    each_image = (1 - found) * of_defects / defective
    if found < 0.5:
        assert found / scenes == pytest.approx(each_image)
    else:
        # As there are more, each of them comes less often.
        assert found / scenes <= each_image


def test_data_sets_are_joined():
    joined = ConcatDataset([Labeled([0], []), Labeled([0, 0], [])])
    assert share(1, joined) == pytest.approx(0.5 / 2.5)


def test_repeating_all_images_changes_nothing():
    dataset = Labeled([0], [], [0], [])
    twice = RepeatDataset(dataset=dataset, times=2)
    assert share(1, twice) == share(1, dataset) == pytest.approx(1 / 5)


def test_of_many_samples_some_are_looked_at(monkeypatch):
    dataset = Labeled(*[[0], [], [], []] * 25)
    expected = share(1, dataset)
    asked = []
    one_by_one = dataset.get_data_info
    repeated = RepeatDataset(dataset=dataset, times=40)
    monkeypatch.setattr(scene_share_module, 'COUNTED', 100)
    monkeypatch.setattr(
        repeated,
        'get_data_info',
        lambda i: asked.append(i) or one_by_one(i % 100),
    )
    assert share(1, repeated) == pytest.approx(expected, rel=0.1)
    assert len(asked) <= 100


def test_images_without_a_defect_and_ignored_boxes_do_not_count():
    dataset = Labeled([0], [], [1], [1, 0], [0, 0], [])
    assert count_defective([dataset]) == 3


def test_a_wrapper_that_does_not_tell_what_is_in_its_samples():
    class Mixed:
        dataset = Labeled([0], [], [0], [])

        def __len__(self):
            return 4

    assert share(1, Mixed()) == pytest.approx(1 / 5)


def test_without_a_labeled_defect_it_is_one_half():
    assert share(5, Labeled([], [])) == 0.5
