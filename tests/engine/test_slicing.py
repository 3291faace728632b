"""A detector's config that looks at slices of its test images."""

import json

import pytest
from mmengine.config import Config

from helpers.scripted_detector import SCRIPT, scripted_config
from helpers.tiny_detection import SIZE
from mmdet_ddpm_moco.engine.slicing import slice_test_images
from mmdet_ddpm_moco.engine.submission import make_submission
from mmdet_ddpm_moco.engine.training import test as evaluate


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


def test_a_submission_of_slices(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    slice_test_images(cfg, 10 * SIZE)
    make_submission(cfg, weights, tmp_path / 'out')
    found = json.loads((tmp_path / 'out' / 'results.json').read_bytes())
    assert len(found) == 3


def test_a_pipeline_that_packs_nothing_is_refused():
    pipeline = [dict(type='LoadImageFromFile'), dict(type='mmdet.Resize')]
    cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
    with pytest.raises(ValueError, match='PackDetInputs'):
        slice_test_images(cfg, 64)
