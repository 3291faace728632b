"""DatasetMoCo: its key encoder, its inputs, its resume."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from helpers.tiny_moco import batch, build, samples, train


@pytest.mark.parametrize('stop', [1, 5])
def test_resume_is_bit_for_bit(stop, tmp_path):
    straight = build()
    torch.manual_seed(2)
    expected = train(straight, range(9), (5, 3))
    first = build()
    torch.manual_seed(2)
    losses = train(first, range(stop), (5, 3))
    torch.save(first.state_dict(), tmp_path / 'state.pth')
    resumed = build(seed=1)
    state = torch.load(tmp_path / 'state.pth', weights_only=True)
    resumed.load_state_dict(state, strict=True)
    # MMEngine sets the seed again, but not how many numbers were drawn.
    torch.manual_seed(2)
    torch.rand(7)
    losses += train(resumed, range(stop, 9), (5, 3))
    assert losses == expected
    state = resumed.state_dict()
    for name, value in straight.state_dict().items():
        assert torch.equal(value, state[name]), name


class TestKeyEncoder:
    def test_follows_the_query_encoder(self):
        model = build(initialize=True)
        weight = model.backbone.conv1.weight
        key_weight = model.encoder_k.module[0].conv1.weight
        assert not torch.equal(key_weight, weight)  # init_weights came later
        start = weight.detach().clone()
        train(model, [0])
        torch.testing.assert_close(key_weight, start)
        after = weight.detach().clone()
        train(model, [1])
        torch.testing.assert_close(key_weight, 0.9 * start + 0.1 * after)
        assert not key_weight.requires_grad

    def test_keys_are_unit_vectors_in_order(self):
        model = build(norm_cfg=dict(type='GN', num_groups=2))
        for number in range(1, 8):
            images = batch(number)[0][0]
            keys = model._encode_keys(images, number)
            expected = F.normalize(model.encoder_k(images)[0])
            torch.testing.assert_close(keys, expected)

    @pytest.mark.parametrize(
        'number, bn_splits, group_sizes',
        [
            (8, 4, {2}),
            (8, 1, {8}),
            (9, 4, {2, 3}),
            (5, 8, {2, 3}),  # no group of one image
            (2, 8, {2}),
        ],
    )
    def test_batch_statistics_are_of_a_random_group(
        self, number, bn_splits, group_sizes
    ):
        """Which keys depend on an image.

        The query of sample i is normalized by the whole batch. With one
        group so is its key, by the same images: this is the leak. With
        several, the key depends on the few random images of its group.
        """
        model = build(bn_splits=bn_splits)
        images = batch(number)[0][0]
        groups_of_first = set()
        for seed in range(3):
            keys = model._encode_keys(images, seed)
            for i in range(number):
                changed = images.clone()
                changed[i] += torch.arange(32) / 8
                moved = (model._encode_keys(changed, seed) != keys).any(1)
                group = frozenset(moved.nonzero().flatten().tolist())
                assert i in group and len(group) in group_sizes
                if i == 0:
                    groups_of_first.add(group)
        if number not in group_sizes:
            assert len(groups_of_first) > 1

    def test_tensor_mode_gives_features(self):
        model = build().eval()
        images = batch(2)[0][0]
        (features,) = model(images)
        assert features.shape == (2, 64, 1, 1)
        torch.testing.assert_close(features, model.backbone(images)[0])


class TestInputs:
    @pytest.mark.parametrize('name', ['dataset_id', 'image_id'])
    def test_missing_ids(self, name):
        inputs, data = batch(2)
        del data[1]
        bad = copy.deepcopy(data[0])
        bad.pop(name)
        with pytest.raises(ValueError, match=f'1 has no {name}.*meta_keys'):
            build()(inputs, [data[0], bad], mode='loss')

    @pytest.mark.parametrize(
        'changes',
        [
            dict(queue_len=0),
            dict(feat_dim=0),
            dict(bn_splits=0),
            dict(momentum=1.0),
        ],
    )
    def test_options_out_of_range(self, changes):
        with pytest.raises(ValueError, match=f'{next(iter(changes))} must'):
            build(**changes)

    def test_ids_reach_the_loss(self):
        inputs, _ = batch(4)
        data = samples([7, 7, 8, 9], [1, 2, 3, 4])
        losses = []
        for weight in (0, 1):
            model = build(loss=dict(instance_weight=weight))
            torch.manual_seed(0)
            losses.append(float(model(inputs, data, mode='loss')['loss']))
            assert model.queue_dataset_ids[:5].tolist() == [7, 7, 8, 9, -1]
            assert model.queue_image_ids[:5].tolist() == [1, 2, 3, 4, -1]
        assert losses[0] != losses[1]


class TestChance:
    @pytest.mark.parametrize('weight', [0.0, 0.5, 1.0])
    @pytest.mark.parametrize('symmetric', [False, True])
    def test_it_counts_the_negatives_of_each_sample(self, weight, symmetric):
        options = dict(mask_same_dataset=True, mask_same_image=True)
        model = build(
            loss=dict(options, instance_weight=weight),
            symmetric=symmetric,
            queue_len=32,
        )
        batches = [
            ([0, 1, 2], [0, 1, 2]),
            ([0, 0, 2, 3], [3, 4, 5, 6]),
            ([0, 1, 1], [0, 1, 7]),
        ]
        for dataset_ids, image_ids in batches:
            inputs, _ = batch(len(dataset_ids))
            model(inputs, samples(dataset_ids, image_ids), mode='loss')
        # The slow reference: earlier keys, of both views if symmetric.
        earlier = [pair for ids in batches[:-1] for pair in zip(*ids)]
        earlier *= 2 if symmetric else 1
        expected = 0
        for own, image in zip(*batches[-1]):
            others = [d for d, i in earlier if i != image]
            apart = sum(d != own for d in others)
            expected += (1 - weight) * math.log1p(apart) / 3
            expected += weight * math.log1p(len(others)) / 3
        assert model.chance_loss() == pytest.approx(expected, rel=1e-6)

    def test_it_changes_nothing(self):
        losses = []
        for asked in (False, True):
            model = build()
            for step in range(3):
                losses += train(model, [step])
                if asked:
                    model.chance_loss()
        assert losses[:3] == losses[3:]

    def test_it_is_that_of_a_batch(self):
        with pytest.raises(RuntimeError, match='there was none'):
            build().chance_loss()
