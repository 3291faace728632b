"""DatasetMoCo: its queue, its key encoder, its resume."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny_moco import batch, build, samples
from mmdet_ddpm_moco.models.losses.dataset_contrastive_loss import (
    dataset_contrastive_loss,
)
from mmdet_ddpm_moco.models.moco import DatasetMoCo


def train(model, steps, numbers=(4,)):
    """Steps of training with batches of these sizes; the losses."""
    optimizer = torch.optim.SGD(
        (p for p in model.parameters() if p.requires_grad), lr=0.05
    )
    losses = []
    for step in steps:
        inputs, data = batch(numbers[step % len(numbers)], seed=step)
        loss = model(inputs, data, mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class TestQueue:
    @settings(max_examples=40, deadline=None)
    @given(
        queue_len=st.integers(1, 9),
        numbers=st.lists(st.integers(1, 14), min_size=1, max_size=8),
    )
    def test_holds_the_last_keys(self, queue_len, numbers):
        model = build_queue(queue_len)
        slots = [None] * queue_len  # the slow reference
        pointer, label = 0, 0
        for number in numbers:
            labels = torch.arange(label, label + number)
            label += number
            keys = labels[:, None].float().expand(-1, 2)
            older = list(slots)
            for key in labels.tolist()[-queue_len:]:
                slots[pointer] = key
                older[pointer] = None
                pointer = (pointer + 1) % queue_len
            mask = model._enqueue(keys, labels + 1000, labels + 2000)
            # The mask has the earlier keys that are still there.
            assert mask.tolist() == [x is not None for x in older]
            for slot, key in enumerate(slots):
                if key is not None:
                    assert model.queue[:, slot].tolist() == [key, key]
                    assert model.queue_dataset_ids[slot] == key + 1000
                    assert model.queue_image_ids[slot] == key + 2000
            assert int(model.queue_ptr) == pointer
            filled = sum(x is not None for x in slots)
            assert int(model.queue_fill) == filled

    @pytest.mark.parametrize('numbers', [(4,), (5, 3), (7,), (16,), (18, 2)])
    def test_takes_any_batch_size_and_trains(self, numbers):
        model = build()
        seen = []
        encode = model._encode_keys

        def spy(*args):
            seen.append(encode(*args))
            return seen[-1]

        model._encode_keys = spy
        weight = model.backbone.conv1.weight.detach().clone()
        losses = train(model, range(6), numbers)
        assert all(loss > 0 for loss in losses)
        assert not torch.equal(weight, model.backbone.conv1.weight)
        expected = torch.cat([keys[-16:] for keys in seen])[-16:]
        order = (int(model.queue_ptr) + torch.arange(16)) % 16
        filled = min(16, sum(len(keys[-16:]) for keys in seen))
        assert int(model.queue_fill) == filled == 16
        torch.testing.assert_close(model.queue[:, order].T, expected)

    def test_empty_slots_are_masked(self):
        results = []
        for scale in (1, 1e4):
            model = build()
            model.queue *= scale
            results.append(train(model, range(3)))
        assert results[0] == results[1]

    def test_negatives_are_the_keys_of_earlier_steps(self):
        model = build(norm_cfg=dict(type='GN', num_groups=2))
        inputs, data = batch(4)
        model(inputs, data, mode='loss')
        earlier = model.queue[:, :4].clone()
        inputs, data = batch(4, seed=1)
        loss = model(inputs, data, mode='loss')['loss']
        with torch.no_grad():
            query = F.normalize(model.neck(model.backbone(inputs[0]))[0])
            keys = F.normalize(model.encoder_k(inputs[1])[0])
        logits = torch.cat(
            ((query * keys).sum(1, keepdim=True), query @ earlier), 1
        )
        expected = F.cross_entropy(logits / 0.07, torch.zeros(4).long())
        torch.testing.assert_close(loss, expected)


def build_queue(queue_len):
    """A model with nothing but a queue of 2-d keys, to be fast."""
    model = DatasetMoCo.__new__(DatasetMoCo)
    torch.nn.Module.__init__(model)
    model.queue_len = queue_len
    model.keys_per_sample = 1
    for name in ('queue_ptr', 'queue_fill'):
        model.register_buffer(name, torch.zeros(1, dtype=torch.long))
    for name in ('queue_dataset_ids', 'queue_image_ids'):
        model.register_buffer(name, torch.zeros(queue_len, dtype=torch.long))
    model.register_buffer('queue', torch.randn(2, queue_len))
    return model


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


class TestNegatives:
    def test_too_few_are_an_error_at_any_step(self):
        model = build(loss=dict(mask_same_dataset=True))
        inputs, data = batch(4)
        model(inputs, data, mode='loss')
        same = samples([500] * 4, range(4))
        for _ in range(3):  # until the queue holds only dataset 500
            model(inputs, same, mode='loss')
        with pytest.raises(ValueError, match='mask_same_dataset=False'):
            model(inputs, same, mode='loss')

    def test_loss_checks_only_without_a_guarantee(self):
        model = build()
        checked = []
        loss = model.head.loss

        def spy(*args, check_negatives, **kwargs):
            checked.append(check_negatives)
            return loss(*args, check_negatives=check_negatives, **kwargs)

        model.head.loss = spy
        train(model, range(4))
        assert checked == [True, False, False, False]
        model.load_state_dict(model.state_dict())
        train(model, range(4, 6))
        assert checked[4:] == [True, False]

    @settings(max_examples=100, deadline=None)
    @given(
        queue_len=st.integers(2, 8),
        batches=st.lists(
            st.lists(
                st.tuples(st.integers(0, 3), st.integers(0, 3)),
                min_size=1,
                max_size=5,
            ),
            min_size=2,
            max_size=6,
        ),
        views=st.sampled_from([1, 2]),
    )
    def test_guaranteed_negatives_survive_every_mask(
        self, queue_len, batches, views
    ):
        model = build_queue(queue_len)
        model.keys_per_sample = views  # two if symmetric
        model._last_ids = []
        for ids in batches:
            keys = F.normalize(torch.ones(len(ids), 2), dim=1)
            dataset_ids, image_ids = torch.tensor(ids).unbind(1)
            guaranteed = model._negatives_guaranteed(ids, len(ids) * views)
            written = (keys, dataset_ids, image_ids)
            mask = model._enqueue(*[torch.cat([x] * views) for x in written])
            if guaranteed:  # no ValueError whatever is masked
                dataset_contrastive_loss(
                    keys,
                    keys,
                    dataset_ids,
                    image_ids,
                    queue=model.queue,
                    queue_dataset_ids=model.queue_dataset_ids,
                    queue_image_ids=model.queue_image_ids,
                    queue_mask=mask,
                    mask_same_dataset=True,
                    mask_same_image=True,
                )
