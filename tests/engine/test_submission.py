"""Submissions: what is written, and what is refused."""

import csv
import hashlib
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from helpers.scripted_detector import SCRIPT, scripted_config
from helpers.tiny_detection import SIZE
from mmdet_ddpm_moco.engine.submission import make_submission

DENT, SCRATCH = 0, 1
# Of images 0 and 2 in data: a dent at (4, 6), 12 x 10 pixels.
RIGHT = [4, 6, 16, 16]


@pytest.fixture(autouse=True)
def script():
    SCRIPT.clear()
    SCRIPT['0.png'] = dict(boxes=[RIGHT], scores=[0.9], labels=[DENT])
    SCRIPT['1.png'] = dict(boxes=[RIGHT], scores=[0.8], labels=[DENT])
    yield SCRIPT
    SCRIPT.clear()


def read(folder, name):
    return json.loads((folder / name).read_bytes())


def test_detections_and_what_they_are_worth(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    out = tmp_path / 'out'
    text = make_submission(cfg, weights, out, command='python tools/test.py')
    assert read(out, 'results.json') == [
        dict(image_id=i, category_id=1, bbox=[4, 6, 12, 10], score=score)
        for i, score in ((0, pytest.approx(0.9)), (1, pytest.approx(0.8)))
    ]
    # Two dents, one found; image 1 has a scratch instead.
    found = read(out, 'metrics.json')
    dent = found['bbox']['classes']['dent']
    assert (dent['boxes'], dent['AR']) == (2, 50)
    assert dent['AP'] == pytest.approx(100 * 51 / 101, abs=0.01)
    assert found['bbox']['classes']['scratch']['AP50'] == 0
    counts = found['confusion']['counts']
    assert counts == [[1, 0, 1], [1, 0, 1], [0, 0, 0]]
    for name in ('precision_recall_bbox.png', 'confusion_matrix.png'):
        assert (out / name).read_bytes()[:4] == b'\x89PNG'
    assert 'dent' in text
    assert not (out / 'submission.csv').exists()
    assert not (out / 'images.json').exists()
    record = read(out, 'submission.json')
    assert record['command'] == 'python tools/test.py'
    assert record['randomness'] == dict(seed=3)
    assert record['classes'] == dict(dent=1, scratch=2)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert record['weights']['sha256'] == digest
    assert set(record['files']) == {p.name for p in out.iterdir()} - {
        'submission.json'
    }
    for name, digest in record['files'].items():
        data = (out / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest


def test_masks_are_submitted_for_a_list_of_boxes(tmp_path, data):
    """A stock test pipeline of Mask R-CNN loads masks, which it lacks."""
    mask = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    mask[0, 6:16, 4:16] = True
    SCRIPT['0.png']['masks'] = mask
    SCRIPT['1.png']['masks'] = mask
    cfg, weights = scripted_config(data, tmp_path, masks=True)
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
    cfg.test_dataloader.dataset.pipeline.insert(1, load)
    file = data / 'train.json'
    content = read(data, 'train.json')
    for annotation in content['annotations']:
        annotation.pop('segmentation', None)
    file.write_text(json.dumps(content))
    out = tmp_path / 'out'
    make_submission(cfg, weights, out)
    assert all('segmentation' in d for d in read(out, 'results.json'))
    assert 'bbox' in read(out, 'metrics.json')


def test_the_same_call_writes_the_same(tmp_path, data):
    written = []
    for name in ('first', 'second'):
        cfg, weights = scripted_config(data, tmp_path)
        make_submission(cfg, weights, tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        written.append([(f.name, f.read_bytes()) for f in files])
    assert written[0] == written[1]


def test_a_folder_without_truth(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    out = tmp_path / 'out'
    make_submission(cfg, weights, out, source=data / 'images')
    assert [d['image_id'] for d in read(out, 'results.json')] == [1, 2]
    listed = read(out, 'images.json')
    assert [(i['id'], i['file_name']) for i in listed['images']] == [
        (1, '0.png'),
        (2, '1.png'),
        (3, '2.png'),
        (4, '3.png'),
    ]
    assert not (out / 'metrics.json').exists()
    # What pycocotools reads with that list is what was found.
    assert len(COCO(str(out / 'images.json')).imgs) == 4


def masks():
    found = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    found[0, 6:16, 4:16] = True
    return found


def test_a_mask_detector(tmp_path, data):
    for name in SCRIPT:
        SCRIPT[name]['masks'] = masks()
    path = data / 'train.json'
    coco = json.loads(path.read_text())
    for one in coco['annotations']:
        # A rectangle; that of image 2 is elsewhere than its box.
        x, y, w, h = one['bbox'] if one['image_id'] != 2 else [40, 40, 9, 9]
        one['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    path.write_text(json.dumps(coco))
    SCRIPT['2.png'] = dict(SCRIPT['0.png'])
    cfg, weights = scripted_config(data, tmp_path, masks=True)
    out = tmp_path / 'out'
    make_submission(cfg, weights, out)
    truth = COCO(str(path))
    results = truth.loadRes(str(out / 'results.json'))
    np.testing.assert_array_equal(
        results.annToMask(results.anns[1]), masks()[0].numpy()
    )
    found = read(out, 'metrics.json')
    for kind in ('bbox', 'segm'):
        evaluation = COCOeval(truth, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert found[kind]['AP'] == pytest.approx(
            100 * evaluation.stats[0], abs=0.01
        )
        assert found[kind]['AR'] == pytest.approx(
            100 * evaluation.stats[8], abs=0.01
        )
    assert found['bbox']['AP'] != found['segm']['AP']
    rows = list(csv.reader((out / 'submission.csv').read_text().splitlines()))
    assert len(rows) == 1 + 4 * 2
    # From pixel 1 + 4 * SIZE + 6 down, twelve columns of ten.
    assert rows[1][:2] == ['0.png', '1']
    assert rows[1][2].split()[:4] == ['263', '10', '327', '10']
    assert rows[2] == ['0.png', '2', '']


@pytest.mark.parametrize('score', [np.nan, np.inf])
def test_a_refused_submission_leaves_the_old_one(tmp_path, data, score):
    out = tmp_path / 'out'
    make_submission(*scripted_config(data, tmp_path), out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    SCRIPT['1.png']['scores'] = [score]
    with pytest.raises(ValueError, match='holds NaN or infinity'):
        make_submission(*scripted_config(data, tmp_path), out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_files_of_an_older_submission_are_removed(tmp_path, data):
    out = tmp_path / 'out'
    make_submission(*scripted_config(data, tmp_path), out)
    cfg, weights = scripted_config(data, tmp_path)
    make_submission(cfg, weights, out, source=data / 'images')
    assert {p.name for p in out.iterdir()} == {
        'images.json',
        'results.json',
        'submission.json',
    }


def test_truth_as_other_tools_write_it(tmp_path, data):
    """Without area and iscrowd, and with an id that COCOeval ignores."""
    path = data / 'train.json'
    coco = json.loads(path.read_text())
    for one in coco['annotations']:
        del one['area'], one['iscrowd']
        one['id'] -= 1
    path.write_text(json.dumps(coco))
    out = tmp_path / 'out'
    make_submission(*scripted_config(data, tmp_path), out)
    assert read(out, 'metrics.json')['bbox']['classes']['dent']['AR'] == 50


def test_code_in_a_checkpoint_is_refused(tmp_path, data):
    cfg, weights = scripted_config(data, tmp_path)
    torch.save(dict(state_dict={}, more=make_submission), weights)
    with pytest.raises(ValueError, match='is refused'):
        make_submission(cfg, weights, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
