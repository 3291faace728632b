"""What a user may ask of pseudo-labels."""

import pytest

from mmdet_ddpm_moco.teacher.settings import TeacherOptions


@pytest.mark.parametrize('flips', [(), ('none', 'turned')])
def test_unknown_flips_are_told(flips):
    with pytest.raises(ValueError, match='flips must be some of none'):
        TeacherOptions(flips=flips)


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (dict(folds=1), 'folds must be at least 2, got 1'),
        (dict(precision=0), r'precision must be in \(0, 1\], got 0'),
        (dict(precision=1.1), 'precision must be'),
        (
            dict(precision=0.5, low_precision=0.6),
            'low_precision must be .*0.6',
        ),
        (dict(low_precision=-0.1), 'low_precision must be'),
        (dict(min_agreement=2), 'min_agreement must be'),
    ],
)
def test_numbers_out_of_range_are_told(options, named):
    with pytest.raises(ValueError, match=named):
        TeacherOptions(**options)


def test_the_limits_themselves_are_in_range():
    TeacherOptions(folds=2, precision=1, low_precision=0, min_agreement=1)
    TeacherOptions(precision=0.5, low_precision=0.5)
