"""What a user may ask of pseudo-labels."""

import pytest

from mmdet_ddpm_moco.teacher.settings import TeacherOptions


@pytest.mark.parametrize('flips', [(), ('none', 'turned')])
def test_unknown_flips_are_told(flips):
    with pytest.raises(ValueError, match='flips must be some of none'):
        TeacherOptions(flips=flips)


def test_one_fold_is_too_few():
    with pytest.raises(ValueError, match='folds must be at least 2, got 1'):
        TeacherOptions(folds=1)
