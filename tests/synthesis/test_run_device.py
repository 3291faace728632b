"""A bank is made on one kind of device."""

import json

import pytest

from helpers.tiny_banks import OPTIONS, write_generator, write_images
from helpers.tiny_ranks import Ranks, needs_fork
from mmdet_ddpm_moco.synthesis import run
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.synthesis.run import synthesize_bank
from mmdet_ddpm_moco.utils.rng import device_kind


@pytest.fixture
def job(tmp_path):
    generator = write_generator(tmp_path / 'generator')
    images = write_images(tmp_path / 'data')

    def make():
        return synthesize_bank(
            load_generator(generator),
            *images,
            tmp_path / 'bank',
            num=2,
            device='cpu',
            **OPTIONS,
        )

    return make


def stopped(*args, **kwargs):
    raise KeyboardInterrupt


def test_the_manifest_says_which(job, tmp_path):
    assert job()['device'] == device_kind('cpu')
    manifest = json.loads((tmp_path / 'bank' / 'manifest.json').read_text())
    assert manifest['device'].startswith('cpu ')


def test_another_kind_does_not_finish_it(job, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run, 'fill_bank', stopped)
        with pytest.raises(KeyboardInterrupt):
            job()
    with monkeypatch.context() as patch:
        patch.setattr(run, 'device_kind', lambda device: 'cuda of a kind')
        with pytest.raises(ValueError, match='another kind of device'):
            job()
    assert job()['kept'] == 2


def test_a_bank_begun_by_an_older_version(job, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run, 'fill_bank', stopped)
        with pytest.raises(KeyboardInterrupt):
            job()
    file = tmp_path / 'bank' / 'settings.json'
    begun = json.loads(file.read_text())
    del begun['device']
    file.write_text(json.dumps(begun))
    # Where the first windows were made is unknown, and stays so.
    assert 'device' not in job()


@needs_fork
def test_ranks_of_several_kinds_are_refused(job, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(
        run,
        'device_kind',
        lambda device: f'kind {torch.distributed.get_rank()}',
    )
    ranks = Ranks(job, tmp_path / 'run')
    assert ranks.end() == [3, 1], ranks.printed()
    first, second = ranks.printed()
    assert 'several kinds of device' in first
    assert second == ''
    assert not (tmp_path / 'bank').exists()
