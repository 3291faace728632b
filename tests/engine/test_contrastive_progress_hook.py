"""The hook that reports k-NN accuracy, alignment and uniformity."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.contrastive_images import write_coco, write_image
from helpers.tiny_moco import CONFIG
from helpers.tiny_runs import log_of
from mmdet_ddpm_moco.engine.hooks import contrastive_progress_hook
from mmdet_ddpm_moco.engine.hooks.contrastive_progress_hook import (
    ContrastiveProgressHook,
)
from mmdet_ddpm_moco.models.moco import DatasetMoCo

_names = itertools.count()
HOOK = dict(
    type='mmdet_ddpm_moco.ContrastiveProgressHook', interval=3, k=3, views=5
)
CROP = dict(type='RandomResizedCrop', scale=16, crop_ratio_range=(0.2, 1.0))


def write_spotted(path, tone, spots=()):
    """An image of one tone, 40 x 40, with squares of 8 x 8."""
    pixels = write_image(path)
    pixels[:] = tone
    for (x, y), value in spots:
        pixels[y : y + 8, x : x + 8] = value
    cv2.imwrite(str(path), pixels)


@pytest.fixture
def data(tmp_path):
    """Ten unlabeled images, and labeled ones of two classes."""
    for index in range(10):
        name = f'{index}.png'
        spots = [((index, 12), 255)]
        write_spotted(tmp_path / 'plain' / name, 20 * index, spots)
    shots = {
        f'{i}.png': [(('dent', 'scratch')[i % 2], (3, 4, 20, 12))]
        for i in range(6)
    }
    return write_coco(tmp_path / 'shots', shots, ['dent', 'scratch'])


def run(data, *hooks, epochs=3, workers=0, **changes):
    """Trains on batches of four, the last of an epoch of two."""
    folder = Path(data['img_prefix']).parent
    name = f'progress{next(_names)}'
    config = dict(
        default_scope='mmpretrain',
        model={**CONFIG, 'queue_len': 15},
        train_dataloader=dict(
            batch_size=4,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            dataset=dict(
                type='mmdet_ddpm_moco.ContrastiveDataset',
                sources=[
                    dict(img_folder=str(folder / 'plain'), dataset_ids='image')
                ],
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='mmdet_ddpm_moco.CropToSample'),
                    dict(type='MultiView', num_views=2, transforms=[[CROP]]),
                    dict(
                        type='PackInputs',
                        meta_keys=('dataset_id', 'image_id'),
                    ),
                ],
            ),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
        visualizer=dict(
            type='Visualizer',
            name=name,
            vis_backends=[dict(type='LocalVisBackend')],
        ),
        custom_hooks=list(hooks),
        randomness=dict(seed=0),
        work_dir=str(folder / 'run'),
        experiment_name=name,
    )
    runner = Runner.from_cfg(Config({**config, **changes}))
    runner.train()
    return runner


def scalars(runner):
    """What the hook sent to the Visualizer's backend."""
    (file,) = Path(runner.log_dir).rglob('scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if 'contrast/alignment' in line]


def test_reports_before_training_and_during_it(data):
    runner = run(data, dict(HOOK, interval=6, labeled=data))
    found = scalars(runner)
    # Three steps an epoch; the last one reports at any interval.
    assert [line['step'] for line in found] == [0, 6, 9]
    for line in found:
        assert 0 <= line['contrast/knn_accuracy'] <= 1
    queue = [
        tuple(line[f'contrast/queue_{n}'] for n in ('fill', 'age_mean'))
        for line in found
    ]
    # Batches of 4, 4, 2: 15 slots hold 2 + 4 + 4 + 2 keys, and 3 of 4.
    full = (0 * 2 + 1 * 4 + 2 * 4 + 3 * 2 + 4 * 3) / 15
    assert queue == [(0, 0), (1, pytest.approx(full))] + [queue[2]]
    assert queue[2] == queue[1]
    assert [line['contrast/queue_age_max'] for line in found] == [0, 4, 4]
    lines = [x for x in log_of(runner).splitlines() if 'k-NN' in x]
    accuracy = found[-1]['contrast/knn_accuracy']
    assert len(lines) == 3
    assert (
        f'iterations: loss {found[-1]["contrast/loss"]:.2f} (by chance '
        f'{found[-1]["contrast/chance_loss"]:.2f}), '
        f'k-NN {accuracy:.1%} of 2 classes (ch' in lines[-1]
    )
    assert 'queue 15 of 15 keys, 2.0 steps old' in lines[-1]


def test_the_loss_is_that_since_the_last_report(data):
    each = dict(
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        log_processor=dict(window_size=1),
    )
    runner = run(data, dict(HOOK, interval=2), **each)
    (file,) = Path(runner.log_dir).rglob('scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    assert len(losses) == 9
    reports = scalars(runner)
    assert 'contrast/loss' not in reports[0]
    for line in reports[1:]:
        since = losses[(line['step'] - 1) // 2 * 2 : line['step']]
        mean = pytest.approx(sum(since) / len(since), rel=1e-5)
        assert line['contrast/loss'] == mean


@pytest.mark.parametrize('chance, warned', [(0.0, True), (1e6, False)])
def test_a_training_that_learned_nothing_is_warned_of(
    data, monkeypatch, chance, warned
):
    monkeypatch.setattr(DatasetMoCo, 'chance_loss', lambda self: chance)
    log = log_of(run(data, HOOK))
    assert log.count('is hardly below') == warned
    assert log.count(' - WARNING - the contrastive loss') == warned


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 1])
def test_training_is_the_same_with_and_without(data, workers):
    labeled = dict(data, background=1)
    states = [
        run(data, *hooks, epochs=2, workers=workers).model.state_dict()
        for hooks in ([], [dict(HOOK, labeled=labeled)])
    ]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_other_processes_only_wait(data, monkeypatch):
    waited = []
    monkeypatch.setattr(contrastive_progress_hook, 'is_main_process', bool)
    monkeypatch.setattr(
        contrastive_progress_hook, 'barrier', lambda: waited.append(1)
    )
    hook = dict(HOOK, labeled=dict(ann_file='not/read', img_prefix=''))
    run(data, hook, epochs=2)
    assert len(waited) == 3


def test_a_resumed_run_has_the_age_of_its_keys(data):
    checkpoint = dict(checkpoint=dict(type='CheckpointHook', interval=1))
    run(data, epochs=2, default_hooks=checkpoint)
    last = Path(data['img_prefix']).parent / 'run' / 'epoch_2.pth'
    runner = run(data, HOOK, load_from=str(last), resume=True)
    (found,) = scalars(runner)  # none before training
    # The earlier steps are taken to be of four keys, as in the config.
    full = (0 * 2 + 1 * 4 + 2 * 4 + 3 * 4 + 4 * 1) / 15
    assert found['contrast/queue_age_mean'] == pytest.approx(full)
    assert found['step'] == 9


def trained_hook(data, **settings):
    hook = ContrastiveProgressHook(**settings)
    runner = run(data, epochs=1)
    runner.register_hook(hook)
    hook.before_train(runner)
    return hook, runner.model


def test_measures_are_those_of_the_query_encoder_in_eval_mode(data):
    hook, model = trained_hook(data, labeled=data, views=5)
    first, second = hook._pair
    assert first.shape == second.shape == (5, 3, 16, 16)
    assert not torch.equal(first, second)
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    # The few steps have not settled the running statistics, and what explodes
    # looks all alike.
    for part in model.backbone.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
    model.backbone((torch.cat((first, second)).flip(1).float() - mean) / std)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.backbone.layer4.eval()  # as a frozen stage
    values, _ = hook.measure(model)
    assert model.backbone.layer1.training
    assert not model.backbone.layer4.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    model.eval()
    with torch.no_grad():
        x, y = (
            F.normalize(
                model.neck(
                    model.backbone((view.flip(1).float() - mean) / std)
                )[0]
            )
            for view in (first, second)
        )
    squared = (x - y).square().sum(1).mean()
    assert values['alignment'] == pytest.approx(float(squared), abs=1e-5)
    rows, columns = torch.tril_indices(5, 5, -1)
    spread = [
        (-2 * (v[rows] - v[columns]).square().sum(1)).exp().mean().log()
        for v in (x, y)
    ]
    expected = float(sum(spread) / 2)
    assert values['uniformity'] == pytest.approx(expected, abs=1e-5)
    assert values['alignment'] > 1e-3 and values['uniformity'] < -1e-2


def gray_images(folder):
    """Light dents and dark scratches on gray, in images of two each."""
    images = {}
    for index in range(4):
        name = f'{index}.png'
        write_spotted(folder / name, 128, [((2, 2), 250), ((20, 2), 5)])
        images[name] = [('dent', (2, 2, 8, 8)), ('scratch', (20, 2, 8, 8))]
    return write_coco(folder, images, ['dent', 'scratch'])


class Brightness(torch.nn.Module):
    """A backbone whose feature is the brightness."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        maps = torch.stack((mean, mean**2, torch.ones_like(mean)), 1)
        maps = F.pad(maps, (0, 61))  # what the neck takes
        return (maps[..., None, None],)


def test_windows_are_cropped_and_classes_are_reported(data, tmp_path):
    labeled = dict(
        gray_images(tmp_path / 'gray'), context=0, min_size=8, background=2
    )
    hook, model = trained_hook(data, labeled=labeled, k=3)
    probe = hook._probe
    assert probe.classes == 3
    seen = {
        (window.dataset, *np.unique(pixels))
        for window, pixels in zip(probe.windows, probe._pixels)
    }
    assert seen == {
        ('dent', 250),
        ('scratch', 5),
        ('background', 128),
    }
    assert probe._pixels.shape == (16, 3, 16, 16)
    # The accuracy of an ideal backbone, and of one without information.
    model.backbone = Brightness()
    assert hook.measure(model)[0]['knn_accuracy'] == 1
    model.backbone.forward = lambda images: (
        torch.ones(len(images), 64, 1, 1),
    )
    blind = hook.measure(model)[0]['knn_accuracy']
    assert blind == pytest.approx(1 / 3)


def test_a_class_in_one_image_is_left_out(tmp_path, data):
    images = {
        'a.png': [('dent', (2, 2, 8, 8))],
        'b.png': [('scratch', (2, 2, 8, 8))],
        'c.png': [('dent', (2, 2, 8, 8))],
    }
    labeled = write_coco(tmp_path / 'few', images, ['dent', 'scratch'])
    with pytest.raises(ValueError, match=r'fewer than two.*label more'):
        trained_hook(data, labeled=labeled)


@pytest.mark.parametrize(
    'settings', [dict(interval=0), dict(k=0), dict(views=1)]
)
def test_arguments_out_of_range(settings):
    with pytest.raises(ValueError, match='must be at least'):
        ContrastiveProgressHook(**settings)
    with pytest.raises(ValueError, match='temperature must be above 0'):
        ContrastiveProgressHook(temperature=0)


def test_another_model_is_refused(data):
    class Other:
        model = torch.nn.Linear(1, 1)

    with pytest.raises(ValueError, match='Linear; remove the hook'):
        ContrastiveProgressHook().before_train(Other())
