"""The queue of DatasetMoCo, and the negatives that it gives."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny_moco import batch, build, samples, train
from mmdet_ddpm_moco.models.losses.dataset_contrastive_loss import (
    dataset_contrastive_loss,
)
from mmdet_ddpm_moco.models.moco import DatasetMoCo


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
