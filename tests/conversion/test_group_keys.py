import pytest

from mmdet_ddpm_moco.conversion.group_keys import group_keys


@pytest.mark.parametrize(
    ('pattern', 'first', 'same'),
    [
        (r'num_(\d+)', '47', [False, True]),
        (r'exp(\d)', '1', [False, False]),
        (r'exp1()|exp2()|exp3()', '\0\0', [True, True]),
        (r'exp(\d)_num_(\d)', '1\x004', [False, False]),
        ('(e)xp', 'e', [True, True]),
    ],
)
def test_keys_are_what_is_captured(pattern, first, same):
    stems = ['exp1_num_47', 'exp2_num_5', 'exp3_num_47']
    keys = group_keys(stems, pattern)
    assert keys[0] == first
    assert [key == keys[0] for key in keys[1:]] == same


@pytest.mark.parametrize(
    ('pattern', 'message'),
    [
        (r'num_\d+', 'parentheses'),
        ('num_(', 'no regular expression.*backslash'),
        (r'exp(\d)', r'not found in a_2 \(2 such of 3 images\)'),
    ],
)
def test_other_expressions_are_refused(pattern, message):
    with pytest.raises(ValueError, match=message) as caught:
        group_keys(['exp1', 'a_2', 'a_3'], pattern)
    assert '\n' not in str(caught.value)
