from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_ddpm_moco.conversion.splits import (
    SPLITS,
    check_few_shot,
    check_ratio,
    check_share,
    draw,
    few_shot_subsets,
    from_few_groups,
    quotas,
    split_groups,
)

RATIO = (0.7, 0.1, 0.2)


def singles(**sizes):
    strata = {
        f'{kind}_{number}': kind
        for kind, size in sizes.items()
        for number in range(size)
    }
    return strata, {name: index for index, name in enumerate(strata)}


def test_draws_are_pinned_and_even():
    # printf '0\\0split\\0a.png' | sha256sum: dc146377e342...
    assert draw(0, 'split', 'a.png') == 0xDC146377E342 / 2**48
    values = [draw(seed, 'a') for seed in range(4000)]
    counts, _ = np.histogram(values, 10, (0, 1))
    assert counts.min() > 300
    assert counts.max() < 500


@settings(deadline=None)
@given(
    st.integers(0, 500), st.lists(st.integers(0, 9), min_size=3, max_size=3)
)
def test_quotas_are_whole_and_close(count, weights):
    weights = np.array(weights) + np.array([1, 0, 0])
    ratio = weights / weights.sum()
    found = quotas(count, ratio)
    assert found.sum() == count
    assert (abs(found - ratio * count) < 1).all()
    assert (found[ratio == 0] == 0).all()


def test_without_groups_the_ratio_is_met_per_class():
    strata, groups = singles(dent=100, rust=50, scratch=10)
    lists = split_groups(strata, groups, RATIO, seed=3)
    counts = {
        split: Counter(strata[name] for name in names)
        for split, names in lists.items()
    }
    assert counts['train'] == dict(dent=70, rust=35, scratch=7)
    assert counts['val'] == dict(dent=10, rust=5, scratch=1)
    assert counts['test'] == dict(dent=20, rust=10, scratch=2)


def test_the_seed_decides_and_nothing_else():
    strata, groups = singles(dent=60, rust=60)
    first = split_groups(strata, groups, RATIO, seed=1)
    backwards = dict(reversed(strata.items()))
    again = split_groups(backwards, groups, RATIO, seed=1)
    assert {key: set(names) for key, names in first.items()} == {
        key: set(names) for key, names in again.items()
    }
    assert split_groups(strata, groups, RATIO, seed=2) != first


def test_singles_are_drawn_evenly():
    strata, groups = singles(dent=20)
    held = Counter()
    for seed in range(300):
        held.update(split_groups(strata, groups, RATIO, seed)['test'])
    # 300 draws with p = 0.2: 60 on average, standard deviation 7.
    assert min(held[name] for name in strata) > 30
    assert max(held.values()) < 90


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from('abc'), min_size=1, max_size=9),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([RATIO, (1, 0, 0), (0.5, 0, 0.5), (0.6, 0.2, 0.2)]),
    st.integers(0, 5),
)
def test_groups_stay_whole_and_no_image_is_lost(clusters, ratio, seed):
    strata, groups = {}, {}
    for number, kinds in enumerate(clusters):
        for place, kind in enumerate(kinds):
            name = f'{number}_{place}'
            strata[name], groups[name] = kind, number
    lists = split_groups(strata, groups, ratio, seed)
    placed = [name for names in lists.values() for name in names]
    assert sorted(placed) == sorted(strata)
    homes = {}
    for split in SPLITS:
        for name in lists[split]:
            assert homes.setdefault(groups[name], split) == split
    assert all(lists[s] == [] for s, share in zip(SPLITS, ratio) if not share)
    # Of one class alone, no split is further off than the largest group.
    if len(set(strata.values())) == 1:
        largest = max(map(len, clusters))
        for split, quota in zip(SPLITS, quotas(len(strata), ratio)):
            assert len(lists[split]) - quota <= largest


def test_groups_are_spread_like_single_images():
    strata, groups = singles(dent=100)
    for number in range(0, 20, 2):
        groups[f'dent_{number}'] = groups[f'dent_{number + 1}']
    where = Counter()
    for seed in range(100):
        lists = split_groups(strata, groups, RATIO, seed)
        for split, names in lists.items():
            where[split] += sum(f'dent_{n}' in names for n in range(0, 20, 2))
    # Of 1000 pairs; standard deviation below 15.
    assert abs(where['train'] - 700) < 60
    assert abs(where['val'] - 100) < 50
    assert abs(where['test'] - 200) < 60


def test_a_large_group_does_not_fill_a_small_split():
    strata, groups = singles(dent=100)
    for number in range(9):
        groups[f'dent_{number}'] = -1
    for seed in range(20):
        lists = split_groups(strata, groups, RATIO, seed)
        assert 'dent_0' in lists['train']
        assert len(lists['val']) == 10


def test_a_giant_group_goes_to_train():
    strata, groups = singles(dent=10)
    groups = {name: min(number, 8) // 8 for name, number in groups.items()}
    lists = split_groups(strata, groups, RATIO, seed=0)
    assert len(lists['train']) == 8


def test_few_shot_subsets_are_nested_and_exact():
    train = {f'{kind}_{n}': kind for kind in 'ab' for n in range(30)}
    train['clean_1'] = ''
    subsets = few_shot_subsets(train, ['a', 'b'], [20, 5, 10], seed=0)
    assert list(subsets) == [5, 10, 20]
    assert set(subsets[5]) < set(subsets[10]) < set(subsets[20]) < set(train)
    for shot, names in subsets.items():
        assert Counter(train[name] for name in names) == dict(a=shot, b=shot)
    # A subset does not depend on which others are asked for.
    alone = few_shot_subsets(train, ['a', 'b'], [10], seed=0)
    assert alone == {10: subsets[10]}
    assert few_shot_subsets(train, ['a', 'b'], [10], seed=1) != alone


def test_more_shots_than_images_is_refused():
    train = {'a_1': 'a', 'a_2': 'a', 'b_1': 'b'}
    with pytest.raises(ValueError, match=r'few-shot 2 .* 1 .* class b'):
        few_shot_subsets(train, ['a', 'b'], [1, 2], seed=0)


@pytest.mark.parametrize(
    'ratio',
    [(0.7, 0.3), (0.7, 0.2, 0.2), (1.1, -0.1, 0), (float('nan'), 0, 1)],
)
def test_bad_ratios_are_refused(ratio):
    with pytest.raises(ValueError, match='sum 1'):
        check_ratio(ratio)


def test_bad_shots_are_refused():
    assert check_few_shot([20, 10, 20]) == [10, 20]
    with pytest.raises(ValueError, match='few-shot 0'):
        check_few_shot([10, 0])


def in_groups(**sizes):
    """Training images of classes whose groups have these sizes."""
    train, groups = {}, {}
    for kind, members in sizes.items():
        for number, size in enumerate(members):
            for place in range(size):
                name = f'{kind}_{number}_{place}'
                train[name], groups[name] = kind, 100 * ord(kind) + number
    return train, groups


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12),
    st.sampled_from([0.1, 1 / 3, 0.5, 1.0]),
    st.integers(1, 12),
    st.integers(0, 5),
)
def test_few_groups_hold_enough_images_if_any_can(sizes, share, need, seed):
    train, groups = in_groups(a=sizes, b=[1, 1, 1])
    total = len(sizes) + 2  # two groups more are in val and test
    allowed = max(1, int(share * total + 1e-9))
    args = train, groups, dict(a=total), share, need, seed
    most = sum(sorted(sizes)[-allowed:])
    if most < need:
        with pytest.raises(ValueError, match=f'{most} training images'):
            from_few_groups(*args)
        return
    kept = from_few_groups(*args)
    assert set(kept.values()) == {'a'}
    chosen = {groups[name] for name in kept}
    assert len(chosen) <= allowed
    # Groups are whole.
    assert set(kept) == {name for name in train if groups[name] in chosen}
    assert len(kept) >= need
    assert from_few_groups(*args) == kept


def test_few_groups_are_drawn():
    train, groups = in_groups(a=[4] * 10)
    held = Counter()
    for seed in range(200):
        kept = from_few_groups(train, groups, dict(a=10), 0.3, 5, seed)
        assert len(kept) == 12
        held.update(name.split('_')[1] for name in kept)
    # 200 draws with p = 0.3 of 4 images: 240 on average, deviation 26.
    assert len(held) == 10
    assert 140 < min(held.values()) <= max(held.values()) < 340


@pytest.mark.parametrize('share', [0, -1, 1.5, float('nan')])
def test_a_share_of_groups_is_checked(share):
    with pytest.raises(ValueError, match=r'few-shot-groups .* at most 1'):
        check_share(share)
