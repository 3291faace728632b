"""Detections of slices, merged."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdet_ddpm_moco.models import sliced_tta
from mmdet_ddpm_moco.models.sliced_tta import SlicedTTAModel, covered_parts

CFG = dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=3)


class Finds(torch.nn.Module):
    """Finds the given defects, as far as they are in a slice."""

    def __init__(self, boxes, scores):
        super().__init__()
        self.boxes, self.scores = torch.tensor(boxes).float(), scores
        self.batches = []

    def test_step(self, data):
        self.batches.append(len(data['inputs']))
        for sample in data['data_samples']:
            x, y, width, height = sample.slice_box
            shift = torch.tensor([x, y, x, y])
            high = torch.tensor([width, height] * 2)
            boxes = torch.minimum((self.boxes - shift).clamp(min=0), high)
            here = ((boxes[:, 2:] - boxes[:, :2]) > 1).all(1)
            sample.pred_instances = InstanceData(
                bboxes=boxes[here],
                scores=torch.tensor(self.scores)[here],
                labels=torch.zeros(int(here.sum()), dtype=torch.long),
            )
        return data['data_samples']


def slices(boxes, shape):
    return [
        [DetDataSample(metainfo=dict(slice_box=box, full_shape=shape))]
        for box in boxes
    ]


def merged(module, boxes, shape, tta_cfg=CFG, **settings):
    samples = slices(boxes, shape)
    model = SlicedTTAModel(module=module, tta_cfg=tta_cfg, **settings)
    inputs = [[torch.zeros(3, 4, 4)] for _ in boxes]
    (found,) = model.test_step(dict(inputs=inputs, data_samples=samples))
    return found


TWO = [(0, 0, 100, 100), (60, 0, 100, 100)]  # x, y, width, height


def test_a_defect_in_two_slices_is_found_once_in_its_place():
    found = merged(Finds([[65, 10, 90, 30]], [0.9]), TWO, (100, 160))
    assert found.pred_instances.bboxes.tolist() == [[65, 10, 90, 30]]
    assert found.ori_shape == (100, 160)


def test_a_part_gives_way_to_the_whole_even_with_a_higher_score():
    class SurerOfParts(Finds):
        def test_step(self, data):
            for sample in super().test_step(data):
                found = sample.pred_instances
                part = found.bboxes[:, 0] < 1
                found.scores = torch.where(part, 0.95, 0.6)
            return data['data_samples']

    # Whole in the first slice; the second has its last quarter.
    found = merged(SurerOfParts([[30, 10, 70, 30]], [0.0]), TWO, (100, 160))
    assert found.pred_instances.bboxes.tolist() == [[30, 10, 70, 30]]


def test_a_sure_part_does_not_give_way_to_a_doubtful_box():
    boxes = torch.tensor([[60.0, 10, 70, 30], [0, 0, 90, 40]])
    labels = torch.zeros(2, dtype=torch.long)
    cut = torch.tensor([True, False])
    for doubt, part in ((0.1, False), (0.5, True)):
        priority = torch.tensor([0.4, doubt])
        assert covered_parts(boxes, priority, labels, cut)[0] == part
    other = torch.tensor([0, 1])
    assert not covered_parts(boxes, priority, other, cut).any()


def test_a_whole_box_inside_another_stays():
    boxes = torch.tensor([[60.0, 10, 70, 30], [0, 0, 90, 40]])
    labels = torch.zeros(2, dtype=torch.long)
    no = torch.tensor([False, False])
    assert not covered_parts(boxes, torch.ones(2), labels, no).any()


def test_a_defect_across_the_edge_of_the_image_is_no_part():
    # At the right edge of the image, not of a cut.
    found = merged(Finds([[120, 10, 160, 30]], [0.9]), TWO, (100, 160))
    assert len(found.pred_instances) == 1


def test_the_surest_boxes_are_kept_in_order():
    boxes = [[x, 0, x + 10, 10] for x in range(0, 100, 20)]
    found = merged(Finds(boxes, [0.1, 0.5, 0.3, 0.9, 0.7]), TWO, (100, 160))
    np.testing.assert_allclose(found.pred_instances.scores, [0.9, 0.7, 0.5])


def test_without_a_limit_all_boxes_of_all_slices_are_kept():
    boxes = [[x, y, x + 3, y + 3] for x in range(4, 156, 5) for y in (4, 40)]
    found = merged(
        Finds(boxes, [0.5] * len(boxes)),
        TWO,
        (100, 160),
        tta_cfg=dict(nms=CFG['nms']),
    )
    assert sorted(found.pred_instances.bboxes.tolist()) == sorted(boxes)


def test_nothing_found_is_an_empty_result():
    found = merged(Finds([[0, 0, 0, 0]], [0.9]), TWO, (100, 160))
    assert found.pred_instances.bboxes.shape == (0, 4)
    assert found.ori_shape == (100, 160)


def test_slices_are_shown_in_groups():
    module = Finds([[0, 0, 20, 20]], [0.9])
    boxes = [(x, 0, 100, 100) for x in range(0, 500, 100)]
    merged(module, boxes, (100, 500), slices_per_step=2)
    assert module.batches == [2, 2, 1]


def test_masks_are_refused():
    class Masks(Finds):
        def test_step(self, data):
            for sample in super().test_step(data):
                found = sample.pred_instances
                found.masks = torch.zeros(len(found), 4, 4)
            return data['data_samples']

    with pytest.raises(ValueError, match='masks'):
        merged(Masks([[0, 0, 20, 20]], [0.9]), TWO, (100, 160))


def test_parts_against_each_pair(monkeypatch):
    monkeypatch.setattr(sliced_tta, '_ROWS', 7)
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(60, 2, generator=generator) * 20
    size = 1 + torch.rand(60, 2, generator=generator) * 15
    boxes = torch.cat([corner, corner + size], 1)
    priority = torch.rand(60, generator=generator)
    labels = torch.randint(2, (60,), generator=generator)
    cut = torch.rand(60, generator=generator) < 0.5

    def is_part(i, j):
        (left, top, right, low), (x0, y0, x1, y1) = boxes[i], boxes[j]
        shared = (min(right, x1) - max(left, x0)).clamp(min=0)
        shared = shared * (min(low, y1) - max(top, y0)).clamp(min=0)
        own = (right - left) * (low - top)
        return (
            not cut[j]
            and labels[i] == labels[j]
            and priority[j] >= priority[i]
            and shared >= sliced_tta._COVERED * own
        )

    wanted = [
        bool(cut[i]) and any(is_part(i, j) for j in range(60))
        for i in range(60)
    ]
    assert any(wanted)
    found = covered_parts(boxes, priority, labels, cut)
    assert found.tolist() == wanted
