"""Contrastive backbones, side by side."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from helpers.contrastive_images import write_dark_and_bright
from helpers.tiny_moco import CONFIG, build
from mmdet_ddpm_moco.evaluation import knn_probe
from mmdet_ddpm_moco.evaluation.knn_probe import (
    START,
    LabeledProbe,
    backbone_accuracies,
    view_size,
)


def config(**pipeline):
    return Config(
        dict(
            default_scope='mmpretrain',
            model=CONFIG,
            train_dataloader=dict(dataset=dict(pipeline=[pipeline])),
        )
    )


@pytest.fixture
def labeled(tmp_path):
    return write_dark_and_bright(tmp_path)


def saved(path, change):
    """Weights of the tiny backbone, each parameter changed."""
    state = build(seed=3).backbone.state_dict()
    torch.save({k: change(k, v) for k, v in state.items()}, path)
    return path


def test_each_file_is_evaluated(tmp_path, labeled):
    sound = saved(tmp_path / 'sound.pth', lambda _, value: value)
    # With a scale of 0 each image looks alike: all votes go to one class.
    blind = saved(
        tmp_path / 'blind.pth',
        lambda key, value: (
            torch.zeros_like(value)
            if 'bn' in key and key.endswith(('weight', 'bias'))
            else value
        ),
    )
    found, probe = backbone_accuracies(
        config(scale=32), [blind, sound], labeled, k=3
    )
    assert list(found) == [START, str(blind), str(sound)]
    assert probe.classes == 2 and len(probe.windows) == 6
    assert found[str(sound)] == 1
    assert found[str(blind)] <= 0.5


def test_what_a_file_lacks_is_not_that_of_the_file_before(tmp_path, labeled):
    state = build(seed=3).backbone.state_dict()
    first = [k for k in state if 'bn1.' in k and k[-4:] in ('ight', 'bias')]
    part, other = tmp_path / 'part.pth', tmp_path / 'other.pth'
    torch.save({k: v for k, v in state.items() if k not in first}, part)
    # All images look alike after these scales.
    torch.save({k: v * (k not in first) for k, v in state.items()}, other)
    files = [part, other, part]
    found, _ = backbone_accuracies(config(scale=32), files[1:], labeled, k=3)
    alone, _ = backbone_accuracies(config(scale=32), files[:1], labeled, k=3)
    assert found[str(part)] == alone[str(part)] != found[str(other)]


def test_images_of_a_group_are_no_neighbors(labeled, monkeypatch):
    """Near duplicates: as if all of their windows were in one image."""
    told = []
    monkeypatch.setattr(
        knn_probe, 'print_log', lambda text, *_: told.append(text)
    )
    file = Path(labeled['ann_file'])
    coco = json.loads(file.read_text())
    for image in coco['images'][:4]:
        image['group'] = image['id'] % 2
    file.write_text(json.dumps(coco))
    probe = LabeledProbe(labeled, (32, 32))
    one, two, three, four, *others = probe._images.tolist()
    assert one == three and two == four
    assert len({one, two, *others}) == 4
    assert probe.classes == 2
    # Dents of one part: there is none of another to find, and one class is
    # too few.
    coco['images'][4]['group'] = 0
    file.write_text(json.dumps(coco))
    assert not told
    probe = LabeledProbe(labeled, (32, 32))
    assert len(set(probe._images.tolist())) == 6 and probe.classes == 2
    assert 'too few different parts' in told[0]


def test_the_initial_weights_are_the_same_each_time(labeled):
    torch.manual_seed(1)
    one, _ = backbone_accuracies(config(scale=32), [], labeled)
    torch.manual_seed(2)
    assert backbone_accuracies(config(scale=32), [], labeled)[0] == one


def test_weights_that_do_not_fit(tmp_path, labeled):
    torch.save(dict(conv=torch.ones(3)), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='does not fit the backbone'):
        backbone_accuracies(
            config(scale=32), [tmp_path / 'other.pth'], labeled
        )


def test_no_neighbor(labeled):
    with pytest.raises(ValueError, match='k must be at least 1'):
        backbone_accuracies(config(scale=32), [], labeled, k=0)


def test_view_size():
    assert view_size(config(scale=64)) == (64, 64)
    assert view_size(config(scale=[64, 96])) == (64, 96)
    with pytest.raises(ValueError, match='has no size of its views'):
        view_size(config(type='PackInputs'))
