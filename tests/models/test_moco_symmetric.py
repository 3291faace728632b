"""The symmetric loss and the momentum schedule of DatasetMoCo."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub

from helpers.tiny_moco import batch, build, samples

GN = dict(type='GN', num_groups=2)


class TestSymmetric:
    def test_equals_the_naive_reference(self):
        """Two steps; all negatives of the second are keys of the first."""
        model = build(norm_cfg=GN, symmetric=True, queue_len=20)
        data = samples([5, 5, 6, 7], [0, 1, 2, 3])
        ids = torch.tensor([5, 5, 6, 7])
        queue, expected = [], None
        for seed in range(2):
            (first, second), _ = batch(4, seed)
            loss = model([first, second], data, mode='loss')['loss']
            with torch.no_grad():
                query, key = (
                    [F.normalize(f(v)) for v in (first, second)]
                    for f in (
                        lambda v: model.neck(model.backbone(v))[0],
                        lambda v: model.encoder_k(v)[0],
                    )
                )
            terms = []
            for q, k in ((0, 1), (1, 0)):
                for i in range(4):
                    same = [j for j in range(4) if ids[j] == ids[i]]
                    positive = sum(query[q][i] @ key[k][j] for j in same)
                    positive = positive / len(same) / 0.07
                    others = queue or [key[k][j] for j in range(4) if j != i]
                    logits = [float(query[q][i] @ n) / 0.07 for n in others]
                    total = math.exp(positive) + sum(map(math.exp, logits))
                    terms.append(math.log(total) - float(positive))
            expected = sum(terms) / len(terms)
            assert loss.item() == pytest.approx(expected, abs=1e-4)
            # Those of the second view first, as its direction is.
            queue += [*key[1], *key[0]]
        assert int(model.queue_fill) == 16
        torch.testing.assert_close(model.queue[:, :16].T, torch.stack(queue))
        assert model.queue_dataset_ids[:8].tolist() == [5, 5, 6, 7] * 2
        assert model.queue_image_ids[:8].tolist() == [0, 1, 2, 3] * 2

    def test_the_order_of_the_views_does_not_matter(self):
        gradients = []
        for order in (1, -1):
            model = build(norm_cfg=GN, symmetric=True)
            views, data = batch(4)
            loss = model(views[::order], data, mode='loss')['loss']
            loss.backward()
            gradients.append(model.backbone.conv1.weight.grad)
        torch.testing.assert_close(*gradients)
        assert gradients[0].abs().sum() > 0

    @pytest.mark.parametrize('queue_len', [1, 6, 8, 13])
    def test_any_queue_length(self, queue_len):
        model = build(symmetric=True, queue_len=queue_len)
        for seed, number in enumerate((4, 3, 5)):
            views, data = batch(number, seed)
            loss = model(views, data, mode='loss')['loss']
            assert loss.isfinite() and loss > 0
        assert int(model.queue_fill) == queue_len
        assert int(model.queue_ptr) == (
            sum(min(2 * n, queue_len) for n in (4, 3, 5)) % queue_len
        )


class TestMomentumSchedule:
    @pytest.fixture
    def hub(self):
        hub = MessageHub.get_current_instance()
        hub.update_info('max_iters', 8)
        yield hub
        hub.runtime_info.pop('max_iters')

    @pytest.mark.parametrize('end', [0.0, 0.04])
    def test_is_half_a_cosine_wave(self, hub, end):
        model = build(norm_cfg=GN, end_momentum=end)
        weight = model.backbone.conv1.weight
        key_weight = model.encoder_k.module[0].conv1.weight
        expected = weight.detach().clone()
        for step in range(8):
            with torch.no_grad():
                weight.add_(1)
            if step == 0:
                expected = weight.detach().clone()  # the start
            else:
                wave = (1 + math.cos(math.pi * step / 8)) / 2
                momentum = end + (0.1 - end) * wave
                expected += momentum * (weight - expected)
            model(*batch(4, step), mode='loss')
            torch.testing.assert_close(key_weight.data, expected.data)

    def test_continues_after_a_resume(self, hub):
        weights = []
        for stop in (None, 3):
            model = build(norm_cfg=GN, end_momentum=0.0)
            for step in range(6):
                if step == stop:
                    state = model.state_dict()
                    model = build(norm_cfg=GN, end_momentum=0.0, seed=1)
                    model.load_state_dict(state)
                with torch.no_grad():
                    model.backbone.conv1.weight.add_(1)
                torch.manual_seed(step)
                model(*batch(4, step), mode='loss')
            weights.append(model.encoder_k.module[0].conv1.weight)
        assert torch.equal(*weights)

    @pytest.mark.parametrize('end', [-0.1, 0.2])
    def test_end_out_of_range(self, end):
        with pytest.raises(ValueError, match=r'end_momentum must .*=0\.1'):
            build(end_momentum=end)
