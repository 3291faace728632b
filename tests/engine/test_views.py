"""A detector's config that looks at several views of its test images."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import InstanceData

from helpers.scripted_detector import (
    SCRIPT,
    ScriptedDetector,
    scripted_config,
)
from helpers.tiny_detection import SIZE
from mmdet_ddpm_moco.engine.submission import make_submission
from mmdet_ddpm_moco.engine.training import test as evaluate
from mmdet_ddpm_moco.engine.views import flip_test_images, slice_test_images


@pytest.fixture(autouse=True)
def script():
    SCRIPT.clear()
    box = [4, 6, 16, 16]
    SCRIPT['0.png'] = dict(boxes=[box], scores=[0.9], labels=[0])
    SCRIPT['1.png'] = dict(
        boxes=[box, [20, 20, 30, 30]], scores=[0.8, 0.7], labels=[0, 1]
    )
    yield
    SCRIPT.clear()


def detections(cfg, weights, tmp_path, name):
    dataset = cfg.test_dataloader.dataset
    truth = f'{dataset.data_root}/{dataset.ann_file}'
    cfg.test_evaluator.ann_file = truth
    cfg.experiment_name += name
    results = evaluate(cfg, weights, tmp_path / name)[1]
    return json.loads(results.read_bytes())


def test_one_slice_is_the_image(tmp_path, data):
    found = []
    for name, size in (('whole', None), ('slices', 10 * SIZE)):
        cfg, weights = scripted_config(data, tmp_path)
        if size:
            slice_test_images(cfg, size)
        found.append(detections(cfg, weights, tmp_path, name))
    whole, slices = found
    assert len(whole) == 3
    assert whole == slices


def test_boxes_move_with_their_slices(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    slice_test_images(cfg, SIZE // 2, overlap=0)
    # The same box in every slice of the image.
    found = detections(cfg, weights, tmp_path, 'moved')
    surest = [d['bbox'] for d in found if d['score'] > 0.85]
    places = sorted((x, y) for x, y, _, _ in surest)
    half = SIZE // 2
    assert places == [(4 + x, 6 + y) for x in (0, half) for y in (0, half)]


def test_each_slice_may_have_as_many_boxes_as_an_image(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    cfg.test_dataloader.dataset.indices = [0]
    corners = [(x, y) for x in range(2, 30, 4) for y in range(2, 30, 4)]
    SCRIPT['0.png'] = dict(
        boxes=[[x, y, x + 2, y + 2] for x, y in corners],
        scores=[0.9] * len(corners),
        labels=[0] * len(corners),
    )
    slice_test_images(cfg, SIZE // 2, overlap=0)
    found = detections(cfg, weights, tmp_path, 'many')
    assert len(found) == 4 * len(corners) > 100


def test_a_submission_of_slices(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    slice_test_images(cfg, 10 * SIZE)
    make_submission(cfg, weights, tmp_path / 'out')
    found = json.loads((tmp_path / 'out' / 'results.json').read_bytes())
    assert len(found) == 3


def with_flips(cfg, *directions):
    """The config, tested in the flips of a training with these."""
    flips = [dict(type='RandomFlip', prob=0.5, direction=[*directions])]
    if directions == ('horizontal',):
        flips = [dict(type='mmdet.RandomFlip', prob=0.5)]  # the default
    inner = dict(type='CocoDataset', pipeline=flips)
    cfg.train_dataloader = dict(
        dataset=dict(type='RepeatDataset', dataset=inner)
    )
    flip_test_images(cfg)
    cfg.pop('train_dataloader')  # there is nothing to train it with
    return cfg


ALL = ('diagonal', 'horizontal', 'vertical')


def test_flips_are_those_of_the_training(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    with_flips(cfg, 'horizontal')
    found = detections(cfg, weights, tmp_path, 'flips')
    places = [d['bbox'] for d in found if d['score'] == pytest.approx(0.45)]
    assert sorted(places) == [[4, 6, 12, 10], [SIZE - 16, 6, 12, 10]]


@pytest.mark.parametrize(
    'test_cfg, limit',
    [
        (dict(max_per_img=300), dict(max_per_img=300)),
        (
            dict(rpn=dict(max_per_img=1000), rcnn=dict(max_per_img=50)),
            dict(max_per_img=50),
        ),
        (dict(rpn=dict(max_per_img=1000), rcnn=dict(max_per_img=-1)), {}),
        (None, {}),
    ],
)
def test_flips_keep_the_limit_of_the_detector(tmp_path, data, test_cfg, limit):
    cfg, _ = scripted_config(data, tmp_path)
    cfg.model.test_cfg = test_cfg
    model = with_flips(cfg, *ALL).model
    assert {k: v for k, v in model.items() if k == 'max_per_img'} == limit


def test_flips_that_are_switched_off_are_left_out(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    flip = dict(
        type='RandomFlip',
        prob=[0.5, 0.0],
        direction=['horizontal', 'vertical'],
    )
    off = dict(type='RandomFlip', prob=0.0, direction='diagonal')
    cfg.train_dataloader = dict(dataset=dict(pipeline=[flip, off]))
    flip_test_images(cfg)
    cfg.pop('train_dataloader')
    found = detections(cfg, weights, tmp_path, 'flips')
    places = [d['bbox'] for d in found if d['score'] == pytest.approx(0.45)]
    assert sorted(places) == [[4, 6, 12, 10], [SIZE - 16, 6, 12, 10]]


@pytest.mark.parametrize(
    'flips',
    [
        [],
        [dict(type='RandomFlip', prob=0.0)],
        [dict(type='RandomFlip', prob=0.0, direction=['diagonal'])],
    ],
)
def test_a_training_without_flips(tmp_path, data, flips):
    cfg, _ = scripted_config(data, tmp_path)
    cfg.train_dataloader = dict(dataset=dict(pipeline=flips))
    with pytest.raises(ValueError, match='trains without RandomFlip'):
        flip_test_images(cfg)


def test_what_one_of_four_views_has_found_is_less_sure(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    with_flips(cfg, *ALL)
    # The same box in every view, so in four places of the image.
    found = detections(cfg, weights, tmp_path, 'flips')
    places = [d['bbox'] for d in found if d['score'] == pytest.approx(0.225)]
    x, y = SIZE - 16, SIZE - 16
    assert sorted(places) == [
        [left, top, 12, 10] for left in (4, x) for top in (6, y)
    ]
    scores = Counter(round(d['score'], 5) for d in found)
    assert scores == {0.225: 4, 0.2: 4, 0.175: 4}


@MODELS.register_module()
class BrightDetector(ScriptedDetector):
    """Finds the one bright place of an image, wherever it is."""

    def forward(self, inputs, data_samples, mode='tensor'):
        for image, sample in zip(inputs, data_samples, strict=True):
            rows, columns = torch.where(image.float().amin(0) > 250)
            box = torch.stack(
                [
                    columns.min(),
                    rows.min(),
                    columns.max() + 1,
                    rows.max() + 1,
                ]
            )
            scale = torch.tensor(sample.scale_factor * 2)
            sample.pred_instances = InstanceData(
                bboxes=(box / scale)[None],
                scores=torch.tensor([0.8]),
                labels=torch.tensor([1]),
            )
        return data_samples


@pytest.mark.parametrize(
    'padding', [(), (dict(type='Pad', size=(3 * SIZE, 4 * SIZE)),)]
)
def test_what_all_views_have_found_is_as_sure_as_before(
    tmp_path, data, padding
):
    file = data / 'images/0.png'
    pixels = np.full((SIZE, SIZE), 9, np.uint8)
    pixels[3:9, 20:25] = 255
    cv2.imwrite(str(file), pixels)
    for name in (file.with_name(f'{i}.png') for i in (1, 2, 3)):
        if name.exists():
            cv2.imwrite(str(name), pixels)
    cfg, weights = scripted_config(data, tmp_path)
    cfg.model.type = 'BrightDetector'
    resize = dict(
        type='Resize', scale=(2 * SIZE, 2 * SIZE), interpolation='nearest'
    )
    cfg.test_dataloader.dataset.pipeline[1:1] = [resize, *padding]
    pack = cfg.test_dataloader.dataset.pipeline[-1]
    pack.meta_keys = (*pack.meta_keys, 'scale_factor')
    for found in (
        detections(cfg, weights, tmp_path, 'one'),
        detections(with_flips(cfg, *ALL), weights, tmp_path, 'four'),
    ):
        assert found
        for detection in found:
            assert detection['bbox'] == pytest.approx([20, 3, 5, 6])
            assert detection['score'] == pytest.approx(0.8)


def test_boxes_of_no_score_are_left_out(tmp_path, data):
    SCRIPT['0.png'].update(
        boxes=[[4, 6, 16, 16], [40, 40, 50, 50]],
        scores=[1e-4, 0.0],
        labels=[0, 0],
    )
    cfg, weights = scripted_config(data, tmp_path)
    cfg.test_dataloader.dataset.indices = [0]
    found = detections(with_flips(cfg, *ALL), weights, tmp_path, 'zero')
    assert [d['score'] for d in found] == pytest.approx([1e-4 / 4] * 4)
    assert np.isfinite([d['bbox'] for d in found]).all()


def test_flips_of_a_detector_with_masks_are_refused(tmp_path, data):
    SCRIPT.clear()
    cfg, weights = scripted_config(data, tmp_path, masks=True)
    with_flips(cfg, *ALL)
    with pytest.raises(ValueError, match='this detector makes masks'):
        detections(cfg, weights, tmp_path, 'masks')


def test_a_submission_of_flips(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    with_flips(cfg, *ALL)
    make_submission(cfg, weights, tmp_path / 'out')
    found = json.loads((tmp_path / 'out' / 'results.json').read_bytes())
    assert len(found) == 12


@pytest.mark.parametrize(
    'change', [flip_test_images, lambda cfg: slice_test_images(cfg, 64)]
)
def test_a_pipeline_that_packs_nothing_is_refused(change):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='mmdet.Resize')]
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    flips = [dict(type='RandomFlip', prob=0.5)]
    cfg.train_dataloader = dict(dataset=dict(pipeline=flips))
    with pytest.raises(ValueError, match='PackDetInputs'):
        change(cfg)
