"""What teachers cost is told before and while they train."""

import pytest

from helpers.tiny_teachers import detector_of, write_data
from mmdet_ddpm_moco.engine import teacher_costs
from mmdet_ddpm_moco.engine.image_sets import labeled_images, unlabeled_images
from mmdet_ddpm_moco.engine.teacher_costs import TimeLeft, cost_line
from mmdet_ddpm_moco.teacher.settings import TeacherOptions


@pytest.mark.parametrize(
    ('loop', 'length'),
    [
        (dict(by_epoch=True, max_epochs=12), '12 epochs'),
        (dict(type='IterBasedTrainLoop', max_iters=90), '90 iterations'),
    ],
)
def test_the_work_is_told(tmp_path, loop, length):
    cfg = detector_of(write_data(tmp_path))
    cfg.train_cfg = loop
    labeled = labeled_images(cfg)
    unlabeled = unlabeled_images(tmp_path / 'all/images', None, labeled)
    options = TeacherOptions(folds=3, flips=('none', 'vertical'))
    assert cost_line(cfg, labeled, unlabeled, options) == (
        f'teachers: 3 x {length}, each on about 4 of 6 labeled images; then '
        '6 views of each of 6 others'
    )


def test_the_time_of_all_is_told_once(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(teacher_costs.time, 'monotonic', lambda: now[0])
    clock = TimeLeft(3)
    clock.begin()
    now[0] = 100.0
    clock.hear('starting\n')
    assert capsys.readouterr().out == ''
    # 100 s of it are over, and two more take 400 s each.
    clock.hear('Iter(train) [ 50/200]  eta: 0:05:00  loss: 1')
    assert 'about 0:18:20 left until all are' in capsys.readouterr().out
    clock.hear('Iter(train) [100/200]  eta: 0:03:20  loss: 1')
    clock.begin()
    clock.hear('Iter(train) [ 50/200]  eta: 0:05:00  loss: 1')
    assert capsys.readouterr().out == ''
