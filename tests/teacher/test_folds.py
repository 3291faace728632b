from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_ddpm_moco.teacher.folds import draw_folds, kept_whole


@st.composite
def data_sets(draw):
    number = draw(st.integers(2, 5))
    images = draw(st.integers(number * 2, 60))
    kinds = {f'{i}.png': draw(st.sampled_from('abc')) for i in range(images)}
    groups = {
        name: draw(st.integers(0, images - 1))
        for name in kinds
        if draw(st.booleans())
    }
    return kinds, groups, number


@given(data_sets(), st.integers(0, 3))
def test_folds_are_a_partition_that_keeps_groups_whole(data, seed):
    kinds, groups, number = data
    if len({groups.get(n, n) for n in kinds}) < number:
        return
    folds = draw_folds(kinds, groups, number, seed)
    assert len(folds) == number
    assert sorted(n for fold in folds for n in fold) == sorted(kinds)
    place = {name: i for i, fold in enumerate(folds) for name in fold}
    for name, group in groups.items():
        same = {place[n] for n, g in groups.items() if g == group}
        assert same == {place[name]}


@pytest.mark.parametrize('number', [2, 3, 5])
def test_every_fold_has_its_share_of_every_kind(number):
    kinds = {f'{kind}{i}': kind for kind in 'abcdef' for i in range(20)}
    for fold in draw_folds(kinds, {}, number):
        for count in Counter(kinds[name] for name in fold).values():
            assert abs(count - 20 / number) < 1


def test_seeds_draw_different_folds_and_one_seed_the_same():
    kinds = {f'{i}': 'ab'[i % 2] for i in range(30)}
    first = draw_folds(kinds, {}, 3, seed=1)
    assert first == draw_folds(kinds, {}, 3, seed=1)
    assert first != draw_folds(kinds, {}, 3, seed=2)


@pytest.mark.parametrize(
    'kinds, groups, number, text',
    [
        ({'a': 'x', 'b': 'x'}, {}, 1, 'at least 2, got 1'),
        ({'a': 'x', 'b': 'x'}, {}, 3, 'there are 2'),
        ({'a': 'x', 'b': 'x'}, {'a': 1, 'b': 1}, 2, 'there are 1'),
    ],
)
def test_what_cannot_be_folded_is_refused(kinds, groups, number, text):
    with pytest.raises(ValueError, match=text):
        draw_folds(kinds, groups, number)


def images(*groups):
    return [
        dict(file_name=f'{i}.png', group=group)
        for i, group in enumerate(groups)
    ]


@pytest.mark.parametrize(
    'labeled, others, whole',
    [
        # Others are near duplicates of labeled images as often as these are
        # of each other, half as often, or not at all.
        (images(1, 1, 2, 3), images(1, 4), False),
        (images(1, 1, 2, 3), images(1, 4, 5, 6), False),
        (images(1, 1, 2, 3), images(1, 4, 5, 6, 7), True),
        (images(1, 1, 2, 3), [], True),
        # Nothing is known of the others, or of the labeled ones.
        (images(1, 1, 2, 3), [dict(file_name='a.png')], True),
        ([dict(file_name='a.png')], images(1, 4), False),
    ],
)
def test_folds_cut_groups_only_as_labeled_and_other_images_do(
    labeled, others, whole
):
    known = {i['file_name']: i['group'] for i in labeled if 'group' in i}
    assert kept_whole(labeled, others) == (known if whole else {})
