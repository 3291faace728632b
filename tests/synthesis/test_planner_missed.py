"""Windows that follow what detectors miss."""

import json
from collections import Counter

import pytest

from helpers.tiny_banks import write_images
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.synthesis.planner import WindowPlanner

# Of the four defects of tiny_banks, by annotation id; the third is unknown.
FOUND = {1: 1.0, 2: 0.4, 4: 0.8}


def make(tmp_path, found, missed, mix=None):
    root = tmp_path / f'{len(found)}'
    if not root.is_dir():
        ann_file, _ = write_images(root)
        coco = json.loads(ann_file.read_bytes())
        for annotation in coco['annotations']:
            if annotation['id'] in found:
                annotation['found'] = found[annotation['id']]
        ann_file.write_text(json.dumps(coco))
    return WindowPlanner(
        LabeledImages(root / 'train.json', root / 'images'),
        max_window=64,
        mix=mix or dict(replaces=1.0),
        seed=0,
        missed=missed,
    )


def test_what_is_missed_more_often_is_drawn_more_often(tmp_path):
    planner = make(tmp_path, FOUND, 1.0)
    counts = Counter(planner.plan(i).replaces for i in range(800))
    assert set(counts) == {2, 4}
    # 0.6 to 0.2; a standard deviation is 1.5 percent.
    assert counts[2] / 800 == pytest.approx(0.75, abs=0.06)


def test_added_defects_follow_it_too(tmp_path):
    planner = make(tmp_path, {1: 1.0, 2: 0.5}, 1.0, dict(add=1.0))
    kinds = {planner.plan(i).label for i in range(60)}
    assert kinds == {planner.data.classes.index('pit')}


def test_a_share_of_the_windows_follows_it(tmp_path):
    planner = make(tmp_path, FOUND, 0.5)
    counts = Counter(planner.plan(i).replaces for i in range(900))
    # Otherwise each of three classes alike, and pits 2 and 3 alike.
    expected = {1: 1 / 6, 2: 1 / 12 + 3 / 8, 3: 1 / 12, 4: 1 / 6 + 1 / 8}
    for number, share in expected.items():
        assert counts[number] / 900 == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize('found', [{}, {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}])
def test_misses_must_be_known(tmp_path, found):
    make(tmp_path, found, 0.0)
    with pytest.raises(ValueError, match=r'missed.*say what detectors miss'):
        make(tmp_path, found, 0.1)


def test_a_share_out_of_range(tmp_path):
    with pytest.raises(ValueError, match='missed'):
        make(tmp_path, FOUND, 1.1)
