import pytest

from mmdet_ddpm_moco.utils.checks import check_arguments
from mmdet_ddpm_moco.utils.errors import InputError


def test_the_first_argument_out_of_range_is_named():
    values = dict(a=1, b='two', c=3)
    check_arguments(values, a=(True, 'in range'), b=(True, 'in range'))
    with pytest.raises(InputError, match=r"^b must be 2, got 'two'$"):
        check_arguments(values, a=(True, '1'), b=(False, '2'), c=(False, '4'))
