"""The loss and a step of MoCo on a GPU that is not there.

Fake tensors have a device and no values. An operation on tensors of two
devices fails as on a GPU, and so does whatever reads a value back, which
would make a GPU's host wait. (Backward passes need a real GPU.)
"""

import itertools

import pytest
import torch

from helpers.fake_gpu import needs_fake_gpu, to_fake_gpu
from helpers.tiny_moco import batch, build

fake_tensor = pytest.importorskip('torch._subclasses.fake_tensor')

pytestmark = needs_fake_gpu

LOSSES = [
    dict(
        instance_weight=weight,
        average_over_datasets=average,
        mask_same_dataset=same_dataset,
        mask_same_image=same_image,
    )
    for weight, average, same_dataset, same_image in itertools.product(
        (0.0, 0.5, 1.0), *[(False, True)] * 3
    )
]


def two_steps(break_model=None):
    """Two forward passes in training on the fake GPU.

    The first step of a run reads two values, on purpose: whether the key
    encoder has started, and whether there are negatives. This is as after
    that step.
    """
    model = build(loss=dict(instance_weight=0.5))
    with fake_tensor.FakeTensorMode() as mode:
        to_fake_gpu(model, mode)
        model.encoder_k._steps = 1
        model._last_ids = [(-1, -1), (-2, -2)]
        if break_model is not None:
            break_model(model)
        losses = []
        for seed in range(2):
            inputs, data = batch(4, seed)
            inputs = model.data_preprocessor(
                dict(inputs=inputs, data_samples=data), training=True
            )
            losses.append(model(**inputs, mode='loss')['loss'])
        return model, losses


def test_step_stays_on_the_device_and_reads_nothing():
    model, losses = two_steps()
    tensors = [*losses, *model.state_dict().values()]
    assert {tensor.device.type for tensor in tensors} == {'cuda'}
    assert all(loss.requires_grad for loss in losses)
    assert model.queue.shape == (8, 16)


@pytest.mark.parametrize('autocast', [False, True])
def test_loss_stays_on_the_device_and_reads_nothing(autocast):
    from mmdet_ddpm_moco.models.losses.dataset_contrastive_loss import (
        dataset_contrastive_loss,
    )

    with fake_tensor.FakeTensorMode(), torch.device('cuda'):
        inputs = dict(
            query=torch.randn(4, 8, requires_grad=True),
            keys=torch.randn(8, 8),
            dataset_ids=torch.arange(8),
            image_ids=torch.arange(8),
            queue=torch.randn(8, 16),
            queue_dataset_ids=torch.arange(16),
            queue_image_ids=torch.arange(16),
            queue_mask=torch.ones(16, dtype=torch.bool),
            positive_idx=torch.arange(4),
        )
    with (
        fake_tensor.FakeTensorMode(allow_non_fake_inputs=True),
        torch.autocast('cuda', torch.float16, enabled=autocast),
    ):
        for options in LOSSES:
            loss = dataset_contrastive_loss(
                **inputs, **options, check_negatives=False
            )
            assert loss.device.type == 'cuda'
            assert loss.dtype == torch.float32


def mask_on_cpu(model):
    enqueue = model._enqueue
    model._enqueue = lambda *args: enqueue(*args).cpu()


def ids_on_cpu(model):
    loss = model.head.loss
    model.head.loss = lambda *args, dataset_ids, **kwargs: loss(
        *args, dataset_ids=dataset_ids.cpu(), **kwargs
    )


def queue_on_cpu(model):
    model.queue = model.queue.cpu()


def reads_the_pointer(model):
    enqueue = model._enqueue
    model._enqueue = lambda *args: (
        enqueue(*args) if int(model.queue_ptr) < 99 else None
    )


@pytest.mark.parametrize('bug', [mask_on_cpu, ids_on_cpu, queue_on_cpu])
def test_the_check_finds_tensors_left_behind(bug):
    with pytest.raises(RuntimeError, match=r'(?i)device'):
        two_steps(bug)


def test_the_check_finds_values_read_back():
    with pytest.raises(fake_tensor.DataDependentOutputException):
        two_steps(reads_the_pointer)
