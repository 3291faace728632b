"""The loss against a slow reference, and its properties."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models.heads import ContrastiveHead

from mmdet_ddpm_moco.models.losses.dataset_contrastive_loss import (
    DatasetContrastiveLoss,
    dataset_contrastive_loss,
)

DIM, QUEUE = 5, 12
OPTIONS = [
    dict(
        temperature=temperature,
        instance_weight=weight,
        average_over_datasets=average,
        mask_same_dataset=same_dataset,
        mask_same_image=same_image,
    )
    for temperature, weight, average, same_dataset, same_image in (
        itertools.product((0.07, 1.0), (0.0, 0.3, 1.0), *[(False, True)] * 3)
    )
]


def unit(*shape, dtype=torch.float64):
    return F.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


def make_inputs(batch, ranks, datasets, filled, seed=0):
    """Random arguments of the loss, those of the last of some ranks."""
    torch.manual_seed(seed)
    number = batch * ranks
    if datasets is None:  # every image its own
        dataset_ids = torch.arange(number)
        queue_dataset_ids = torch.randint(0, 2 * number, (QUEUE,))
    else:
        dataset_ids = torch.randint(0, datasets, (number,))
        queue_dataset_ids = torch.randint(0, datasets, (QUEUE,))
    mask = torch.zeros(QUEUE, dtype=torch.bool)
    mask[torch.randperm(QUEUE)[:filled]] = True
    return dict(
        query=unit(batch, DIM),
        keys=unit(number, DIM),
        dataset_ids=dataset_ids,
        image_ids=torch.randperm(2 * number)[:number] // 2,
        queue=unit(QUEUE, DIM).T,
        queue_dataset_ids=queue_dataset_ids,
        queue_image_ids=torch.randint(0, number, (QUEUE,)),
        queue_mask=mask,
        positive_idx=torch.arange(number - batch, number),
    )


def cross_entropy(positive, negatives):
    total = math.exp(positive) + sum(math.exp(x) for x in negatives)
    return -math.log(math.exp(positive) / total)


def naive_loss(
    query,
    keys,
    dataset_ids,
    image_ids,
    queue,
    queue_dataset_ids,
    queue_image_ids,
    queue_mask,
    positive_idx,
    temperature,
    instance_weight,
    average_over_datasets,
    mask_same_dataset,
    mask_same_image,
):
    """The definition, one number at a time; None without negatives."""
    rows, instance_losses, seen = {}, [], {}
    for q, own in zip(query, positive_idx.tolist()):
        dataset, image = int(dataset_ids[own]), int(image_ids[own])
        similar = [float(q @ k) / temperature for k in keys]
        negatives = {}  # name of the key: (logit, its dataset)
        for m in range(queue.shape[1]):
            if not queue_mask[m]:
                continue
            if mask_same_image and int(queue_image_ids[m]) == image:
                continue
            logit = float(q @ queue[:, m]) / temperature
            negatives['queue', m] = logit, int(queue_dataset_ids[m])
        if not queue_mask.any():
            for j in range(len(keys)):
                if int(image_ids[j]) != image:
                    negatives['batch', j] = similar[j], int(dataset_ids[j])
        dataset_negatives = {
            name: logit
            for name, (logit, other) in negatives.items()
            if not (mask_same_dataset and other == dataset)
        }
        needed = negatives if instance_weight == 1 else dataset_negatives
        if not needed:
            return None
        instance_losses.append(
            cross_entropy(similar[own], [x for x, _ in negatives.values()])
        )
        members = [
            j for j in range(len(keys)) if int(dataset_ids[j]) == dataset
        ]
        positive = sum(similar[j] for j in members) / len(members)
        rank = seen[dataset] = seen.get(dataset, -1) + 1
        row = rank if average_over_datasets else len(rows)
        rows.setdefault(row, []).append((positive, dataset_negatives))
    dataset_losses = []
    for members in rows.values():
        positive = sum(p for p, _ in members) / len(members)
        names = set().union(*(n for _, n in members))
        averaged = []
        for name in names:
            logits = [n[name] for _, n in members if name in n]
            averaged.append(sum(logits) / len(logits))
        dataset_losses.append(cross_entropy(positive, averaged))
    dataset_loss = sum(dataset_losses) / len(dataset_losses)
    instance_loss = sum(instance_losses) / len(instance_losses)
    return (
        1 - instance_weight
    ) * dataset_loss + instance_weight * instance_loss


@pytest.mark.parametrize('filled', [0, 5, QUEUE])
@pytest.mark.parametrize('datasets', [1, 3, None])
@pytest.mark.parametrize('batch, ranks', [(1, 1), (2, 1), (7, 1), (3, 2)])
def test_equals_the_naive_double_loop(batch, ranks, datasets, filled):
    inputs = make_inputs(batch, ranks, datasets, filled)
    for options in OPTIONS:
        expected = naive_loss(**inputs, **options)
        if expected is None:
            with pytest.raises(ValueError, match='have no negative'):
                dataset_contrastive_loss(**inputs, **options)
        else:
            loss = dataset_contrastive_loss(**inputs, **options)
            assert loss.shape == ()
            assert float(loss) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('average_over_datasets', [False, True])
@pytest.mark.parametrize('filled', [0, 5])
def test_gradients(filled, average_over_datasets):
    inputs = make_inputs(4, 2, 3, filled)
    query = inputs.pop('query').requires_grad_()
    keys = inputs.pop('keys').requires_grad_()

    def loss(query, keys):
        return dataset_contrastive_loss(
            query,
            keys,
            **inputs,
            temperature=0.3,
            instance_weight=0.4,
            average_over_datasets=average_over_datasets,
            mask_same_dataset=True,
            mask_same_image=True,
        )

    assert torch.autograd.gradcheck(loss, (query, keys))


@pytest.mark.parametrize('instance_weight', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('batch', [1, 8, 33])
def test_is_moco_where_each_image_is_a_dataset(batch, instance_weight):
    torch.manual_seed(batch)
    query, keys = unit(2, batch, 16, dtype=torch.float32)
    queue = unit(64, 16, dtype=torch.float32).T
    ids = torch.arange(batch)
    loss = dataset_contrastive_loss(
        query,
        keys,
        ids,
        ids,
        queue=queue,
        queue_dataset_ids=torch.arange(64) + batch,
        queue_image_ids=torch.arange(64) + batch,
        queue_mask=torch.ones(64, dtype=torch.bool),
        temperature=0.2,
        instance_weight=instance_weight,
        mask_same_dataset=True,
        mask_same_image=True,
    )
    head = ContrastiveHead(
        loss=dict(type='mmpretrain.CrossEntropyLoss'), temperature=0.2
    )
    moco = head.loss((query * keys).sum(1, keepdim=True), query @ queue)
    assert float(loss) == pytest.approx(float(moco), abs=1e-6)


def test_masked_entries_have_no_effect():
    inputs = make_inputs(4, 1, 2, 5)
    query = inputs.pop('query').requires_grad_()
    results = []
    for scale in (1, 1e6):
        queue = inputs['queue'].clone()
        queue[:, ~inputs['queue_mask']] *= scale
        ids = inputs['queue_dataset_ids'].masked_fill(
            ~inputs['queue_mask'], int(scale)
        )
        loss = dataset_contrastive_loss(
            query, **{**inputs, 'queue': queue, 'queue_dataset_ids': ids}
        )
        results.append((loss, *torch.autograd.grad(loss, query)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def half_precision_inputs(average_over_datasets):
    inputs = {
        k: v.float() if v.is_floating_point() else v
        for k, v in make_inputs(6, 1, 3, 5).items()
    }
    return inputs | dict(
        temperature=0.01,
        instance_weight=0.5,
        average_over_datasets=average_over_datasets,
        mask_same_dataset=True,
        mask_same_image=True,
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('average_over_datasets', [False, True])
def test_autocast(dtype, average_over_datasets):
    inputs = half_precision_inputs(average_over_datasets)
    exact = dataset_contrastive_loss(**inputs)
    try:
        with torch.autocast('cpu', dtype):
            loss = dataset_contrastive_loss(**inputs)
    except RuntimeError as error:
        if 'only support Bfloat16' not in str(error):
            raise
        pytest.skip('torch 2.1 has no autocast to float16 on a CPU')
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('average_over_datasets', [False, True])
def test_half_precision(dtype, average_over_datasets):
    inputs = half_precision_inputs(average_over_datasets)
    exact = dataset_contrastive_loss(**inputs)
    query = inputs.pop('query').to(dtype).requires_grad_()
    loss = dataset_contrastive_loss(query, **inputs)
    loss.backward()
    torch.testing.assert_close(loss, exact, rtol=0.1, atol=0)
    assert query.grad.isfinite().all() and query.grad.abs().sum() > 0


def test_a_sample_without_negative_names_the_cure():
    inputs = make_inputs(3, 1, 1, 0)
    with pytest.raises(ValueError, match=r'3 of 3 .* mask_same_dataset=False'):
        dataset_contrastive_loss(**inputs, mask_same_dataset=True)
    inputs['image_ids'].fill_(0)
    with pytest.raises(ValueError, match='larger batches') as error:
        dataset_contrastive_loss(**inputs)
    assert 'mask_same_dataset' not in str(error.value)
    # Without the check such a sample has loss 0 and no gradient.
    query = inputs.pop('query').requires_grad_()
    loss = dataset_contrastive_loss(query, **inputs, check_negatives=False)
    loss.backward()
    assert loss == 0 and not query.grad.any()


@pytest.mark.parametrize(
    'options', [dict(temperature=0.0), dict(instance_weight=1.1)]
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be'):
        DatasetContrastiveLoss(**options)
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be'):
        dataset_contrastive_loss(**make_inputs(2, 1, 1, 5), **options)


def test_gathered_keys_need_their_own_key():
    inputs = {**make_inputs(2, 2, 3, 5), 'positive_idx': None}
    with pytest.raises(ValueError, match='give positive_idx'):
        dataset_contrastive_loss(**inputs)
    inputs = {**make_inputs(2, 1, 3, 5), 'positive_idx': None}
    with_index = dict(inputs, positive_idx=torch.arange(2))
    assert torch.equal(
        dataset_contrastive_loss(**inputs),
        dataset_contrastive_loss(**with_index),
    )


def test_module_passes_its_options():
    inputs = make_inputs(5, 1, 3, QUEUE)
    for options in OPTIONS[::7]:
        module = DatasetContrastiveLoss(**options)
        assert torch.equal(
            module(**inputs), dataset_contrastive_loss(**inputs, **options)
        )
