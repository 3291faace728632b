"""Label agreement with a judge whose detections are known."""

import json

import numpy as np
import pytest

from helpers.made_bank import (
    CLASSES,
    BrightJudge,
    load,
    write_bank,
    write_images,
)
from mmdet_ddpm_moco.evaluation.judge import Detections
from mmdet_ddpm_moco.evaluation.label_agreement import measure_label_agreement
from mmdet_ddpm_moco.evaluation.windows import find_hosts

# Numbers of the windows of the first image are 0 (add dent), 1 (replaces
# scratch), 2 (null) and 3 (add scratch); then come those of the next.
INVISIBLE = (0, 4, 7, 1, 2, 6, 10)


@pytest.fixture
def measure_with(tmp_path):
    paths = write_images(tmp_path / 'data', number=4)
    bank = write_bank(
        tmp_path / 'bank', paths[1], number=4, invisible=INVISIBLE
    )
    data = load(paths)
    ann, images = write_images(tmp_path / 'real', number=3, start=90)

    def measure(judge=None, hosts=None, pseudo_labeled=(), **options):
        coco = json.loads(ann.read_bytes())
        for index in pseudo_labeled:
            coco['images'][index]['pseudo_labeled'] = True
        ann.write_text(json.dumps(coco))
        real = load((ann, images))
        return measure_label_agreement(
            judge or BrightJudge(),
            bank,
            find_hosts(bank, data) if hosts is None else hosts,
            data,
            real,
            **dict(dict(iou=0.5, score=0.3), **options),
        )

    return measure


def test_recall_by_kind_and_class(measure_with):
    found = measure_with()
    dent, scratch = CLASSES
    assert found['real'][dent] == dict(n=3, found=3, recall=1)
    assert found['real']['overall'] == dict(n=6, found=6, recall=1)
    # 4 added dents, 0 and 4 of which cannot be seen.
    assert found['add'][dent] == dict(
        n=4, found=2, recall=0.5, host_recall=0, relative_recall=0.5
    )
    assert found['add'][scratch] == dict(
        n=4, found=3, recall=0.75, host_recall=0, relative_recall=0.75
    )
    assert found['add']['overall']['recall'] == 5 / 8
    # The real defects were there before; one is painted over.
    assert found['replaces'][scratch] == dict(
        n=4, found=3, recall=0.75, host_recall=1, relative_recall=0.75
    )
    assert found['replaces'][dent]['n'] == 0
    assert found['replaces'][dent]['recall'] is None
    assert found['replaces'][dent]['relative_recall'] is None


def test_windows_without_a_defect(measure_with):
    # 3 of 4 have a defect nevertheless.
    assert measure_with()['null'] == dict(
        n=4, false_positive_rate=0.75, host_false_positive_rate=0
    )


class TwoThirds:
    """Finds nothing in every third image."""

    def detect(self, images):
        for i, found in enumerate(BrightJudge().detect(images)):
            if i % 3 == 2:
                yield Detections(
                    found.boxes[:0], found.scores[:0], found.labels[:0]
                )
            else:
                yield found


def test_recall_is_that_of_boxes_that_people_drew(measure_with):
    # It misses those of the last of three images.
    found = measure_with(TwoThirds(), hosts=[])
    assert found['real']['overall'] == dict(n=6, found=4, recall=4 / 6)
    found = measure_with(TwoThirds(), hosts=[], pseudo_labeled=[2])
    assert found['real']['overall'] == dict(n=4, found=4, recall=1)
    found = measure_with(TwoThirds(), hosts=[], pseudo_labeled=[0, 2])
    assert found['real']['overall'] == dict(n=2, found=2, recall=1)


def test_relative_to_the_judges_own_recall(measure_with):
    found = measure_with(TwoThirds())
    row = found['add'][CLASSES[1]]
    assert found['real'][CLASSES[1]]['recall'] == pytest.approx(2 / 3)
    assert row['relative_recall'] == pytest.approx(row['recall'] / (2 / 3))


def test_a_score_above_all_detections(measure_with):
    found = measure_with(score=0.95)
    assert found['real']['overall']['recall'] == 0
    assert found['add']['overall']['recall'] == 0
    assert found['add']['overall']['relative_recall'] is None  # 0 / 0
    assert found['null']['false_positive_rate'] == 0


class RightOfTheHost:
    """Detects a defect at one place of every image."""

    def detect(self, images):
        for _ in images:
            yield Detections(
                np.array([[14, 42, 19, 47]], np.float32),
                np.ones(1, np.float32),
                np.zeros(1, np.int64),
            )


def test_the_false_positive_rate_of_the_hosts(measure_with):
    assert measure_with(RightOfTheHost())['null'] == dict(
        n=4, false_positive_rate=1, host_false_positive_rate=1
    )


def test_no_windows(measure_with):
    found = measure_with(hosts=[])
    assert found['null'] == dict(
        n=0, false_positive_rate=None, host_false_positive_rate=None
    )
    assert found['add']['overall']['recall'] is None
    assert found['real']['overall']['recall'] == 1
