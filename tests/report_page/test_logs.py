"""Scalars and logs, torn and resumed ones too."""

import pytest

from helpers.made_runs import LOG, write_start
from mmdet_ddpm_moco.report_page.logs import (
    curve,
    log_seconds,
    read_scalars,
    run_folders,
)

LATER = '20261127_100000'


def test_a_validation_has_the_iteration_of_the_training_before(tmp_path):
    write_start(
        tmp_path,
        [
            dict(loss=2.0, step=50),
            {'coco/bbox_mAP': 0.1, 'step': 0},
            dict(loss=1.0, step=100),
            {'coco/bbox_mAP': 0.2, 'step': 0},
        ],
    )
    rows = read_scalars(tmp_path)
    assert curve(rows, 'loss') == [(50, 2), (100, 1)]
    assert curve(rows, 'coco/bbox_mAP') == [(50, 0.1), (100, 0.2)]


def test_by_epoch_too(tmp_path):
    write_start(
        tmp_path,
        [dict(loss=2.0, step=50), {'coco/bbox_mAP': 0.1, 'step': 1}],
    )
    assert curve(read_scalars(tmp_path), 'coco/bbox_mAP') == [(50, 0.1)]


def test_a_probe_before_the_first_step_is_at_its_own_step(tmp_path):
    rows = [
        {'contrast/knn_accuracy': 0.2, 'step': 0},
        {'contrast/knn_accuracy': 0.3, 'step': 100},
    ]
    write_start(tmp_path, rows)
    found = curve(read_scalars(tmp_path), 'contrast/knn_accuracy')
    assert found == [(0, 0.2), (100, 0.3)]


def test_a_resumed_training_goes_on_and_a_torn_line_is_left_out(tmp_path):
    data = write_start(
        tmp_path, [dict(loss=3.0, step=10), dict(loss=2.0, step=20)]
    )
    file = data / 'scalars.json'
    file.write_text(file.read_text() + '\n{"loss": 1.9, "st')
    write_start(
        tmp_path,
        [dict(loss=2.5, step=20), dict(loss=1.0, step=30)],
        log=f'{LOG}resumed epoch: 0, iter: 15\n',
        start=LATER,
    )
    found = curve(read_scalars(tmp_path), 'loss')
    assert found == [(10, 3), (20, 2.5), (30, 1)]
    assert log_seconds([tmp_path]) == 2 * 750


def test_tests_in_the_same_folder_are_no_training(tmp_path):
    write_start(tmp_path, [dict(loss=3.0, step=10)])
    log = '2026/11/27 10:00:00 - mmengine - INFO - Iter(test) [ 1/11]\n'
    write_start(tmp_path, [{'coco/bbox_mAP': 0.9}], log=log, start=LATER)
    assert len(run_folders(tmp_path)) == 1
    assert curve(read_scalars(tmp_path), 'coco/bbox_mAP') == []


@pytest.mark.parametrize('loop', ['Iter(train) [', 'Epoch(train)  [1]['])
@pytest.mark.parametrize('resumed', [False, True])
def test_an_earlier_training_that_is_not_resumed_is_left_out(
    tmp_path, loop, resumed
):
    line = '2026/11/27 1{}:00:00 - mmengine - INFO - {}\n'
    steps = line.format(0, f'{loop}  50/2880]  loss: 1.0')
    write_start(tmp_path, [dict(loss=3.0, step=2880)], log=steps)
    if resumed:
        steps = line.format(0, 'resumed epoch: 0, iter: 900') + steps
    write_start(tmp_path, [dict(loss=2.0, step=950)], log=steps, start=LATER)
    # A start that came to nothing tells nothing about which one it was.
    last = LATER.replace('100000', '110000')
    write_start(tmp_path, log=line.format(1, 'Distributed'), start=last)
    found = curve(read_scalars(tmp_path), 'loss')
    assert found == [(950, 2)] + [(2880, 3)] * resumed
    assert len(run_folders(tmp_path)) == 2 + resumed


def test_a_start_that_logged_nothing(tmp_path):
    write_start(tmp_path, log='')
    assert read_scalars(tmp_path) == []
    assert log_seconds([tmp_path]) is None
