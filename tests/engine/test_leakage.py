"""A detector does not start if its pretraining used its test images."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from helpers.tiny_detection import (
    AUGMENT,
    coco,
    detector_config,
    hook,
    run,
    write_bank,
    write_images,
)
from helpers.tiny_runs import log_of, random_weights, resnet
from mmdet_ddpm_moco.checkpoints.weights_only import load_weights_only
from mmdet_ddpm_moco.engine.training import stage_state, train
from mmdet_ddpm_moco.utils.provenance import (
    FILE,
    KEY,
    record_bytes,
    record_images,
)

PACK = dict(type='PackDetInputs', meta_keys=('img_path',))
INIT = 'mmdet_ddpm_moco.ContrastiveInitHook'


def texture(seed):
    noise = np.random.RandomState(seed).randn(64, 64)
    return np.clip(128 + 60 * noise, 0, 255).astype(np.uint8)


@pytest.fixture
def train_root(tmp_path):
    """Training images that bank and backbone were made from."""
    root = write_images(tmp_path / 'train')
    for i in range(4):
        cv2.imwrite(str(root / 'images' / f'{i}.png'), texture(i))
    return root


@pytest.fixture
def test_root(tmp_path):
    """Other test images, of the same kind and names."""
    root = write_images(tmp_path / 'test')
    for i in range(4):
        cv2.imwrite(str(root / 'images' / f'{i}.png'), texture(100 + i))
    return root


def saw(root):
    return record_images((root / 'images').glob('*.png'))


def backbone_file(path, record):
    weights = random_weights(resnet())
    state_dict = {f'backbone.{key}': value for key, value in weights.items()}
    meta = {'ann_files': {}, KEY: record}
    torch.save(dict(state_dict=state_dict, meta=meta), path)
    return str(path)


def bank_of(tmp_path, train_root, record):
    bank = write_bank(tmp_path / 'bank', train_root)
    if record is not None:
        (tmp_path / 'bank' / FILE).write_bytes(record_bytes(record))
    return bank


def config(tmp_path, train_root, test_root, hooks, part='test'):
    loader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=coco(test_root, [PACK], test_mode=True),
    )
    evaluator = dict(type='NoMetric')
    return detector_config(
        train_root,
        tmp_path / 'work',
        hooks,
        **{
            f'{part}_dataloader': loader,
            f'{part}_cfg': dict(),
            f'{part}_evaluator': evaluator,
        },
    )


def copied(train_root, test_root):
    shutil.copy(
        train_root / 'images' / '1.png', test_root / 'images' / '3.png'
    )


def stored_anew(train_root, test_root):
    pixels = cv2.imread(str(train_root / 'images' / '1.png'))
    brighter = cv2.add(pixels[:, ::-1], np.full_like(pixels, 20))
    cv2.imwrite(str(test_root / 'images' / '3.png'), brighter)


@pytest.mark.parametrize('part', ['val', 'test'])
@pytest.mark.parametrize('leak', [copied, stored_anew])
@pytest.mark.parametrize('what', ['bank', 'checkpoint', 'alone'])
def test_images_of_the_pretraining_stop_the_run(
    tmp_path, train_root, test_root, part, leak, what
):
    leak(train_root, test_root)
    record = saw(train_root)
    bank = bank_of(tmp_path, train_root, record if what == 'bank' else None)
    seen = None if what == 'bank' else record
    backbone = backbone_file(tmp_path / 'backbone.pth', seen)
    used = (
        dict(type=INIT, checkpoint=backbone)
        if what == 'alone'
        else hook(bank=bank, checkpoint=backbone)
    )
    cfg = config(tmp_path, train_root, test_root, [used], part)
    with pytest.raises(ValueError, match='1 of the 4 validation') as error:
        run(cfg)
    message = str(error.value)
    assert '\n' not in message
    culprit = bank if what == 'bank' else backbone
    image = test_root / 'images' / '3.png'
    assert message.startswith(f'{culprit} was made from')
    assert f'{part} image {image} is 1.png there' in message
    assert 'allow_leakage=True' in message
    same, other = (1, 0) if leak is copied else (0, 1)
    assert f'{same} in the same file and {other} in another' in message
    # It stopped before anything was changed.
    assert not (tmp_path / 'work' / 'backbone_init.pth').exists()


@pytest.mark.parametrize('leaks', [True, False])
def test_a_bank_that_a_pipeline_names_is_checked_too(
    tmp_path, train_root, test_root, leaks
):
    if leaks:
        copied(train_root, test_root)
    bank = bank_of(tmp_path, train_root, saw(train_root))
    cfg = config(tmp_path, train_root, test_root, [])
    cfg.launcher = 'none'
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline.insert(2, dict(type=AUGMENT, bank=bank))
    if not leaks:
        train(cfg)
        return
    with pytest.raises(ValueError, match='1 of the 4 validation') as error:
        train(cfg)
    assert str(error.value).startswith(f'{bank} was made from')
    assert stage_state(tmp_path / 'work')['finished'] is False


@pytest.mark.parametrize('what', ['bank', 'checkpoint'])
def test_leakage_may_be_allowed(tmp_path, train_root, test_root, what):
    copied(train_root, test_root)
    record = saw(train_root)
    given = (
        dict(bank=bank_of(tmp_path, train_root, record))
        if what == 'bank'
        else dict(checkpoint=backbone_file(tmp_path / 'b.pth', record))
    )
    used = hook(allow_leakage=True, **given)
    log = log_of(run(config(tmp_path, train_root, test_root, [used])))
    (line,) = [s for s in log.splitlines() if 'allow_leakage=True' in s][-1:]
    assert 'WARNING' in line
    assert '1 of the 4 validation and test images' in line


def test_other_images_of_the_kind_are_fine(tmp_path, train_root, test_root):
    record = saw(train_root)
    used = hook(
        bank=bank_of(tmp_path, train_root, record),
        checkpoint=backbone_file(tmp_path / 'backbone.pth', record),
    )
    log = log_of(run(config(tmp_path, train_root, test_root, [used])))
    assert log.count('none of 4 validation and test images') == 2
    assert 'has no record' not in log
    # What it starts from next carries the record on.
    file = load_weights_only(tmp_path / 'work' / 'backbone_init.pth')
    assert file['meta'] == {KEY: record}


def test_artifacts_without_a_record_are_reported(
    tmp_path, train_root, test_root
):
    copied(train_root, test_root)
    used = hook(
        bank=bank_of(tmp_path, train_root, None),
        checkpoint=backbone_file(tmp_path / 'backbone.pth', None),
    )
    log = log_of(run(config(tmp_path, train_root, test_root, [used])))
    warned = [s for s in log.splitlines() if 'has no record' in s]
    assert len(warned) == 2
    assert all('WARNING' in line for line in warned)


def test_test_images_that_are_missing_are_reported(
    tmp_path, train_root, test_root
):
    used = hook(checkpoint=backbone_file(tmp_path / 'b.pth', saw(train_root)))
    (test_root / 'images' / '2.png').unlink()
    cfg = config(tmp_path, train_root, test_root, [used])
    assert '1 of 4 validation and test images are no local' in log_of(run(cfg))
    (test_root / 'train.json').unlink()
    cfg = config(tmp_path, train_root, test_root, [used])
    assert 'the test images are not here' in log_of(run(cfg))


def test_the_training_images_themselves_are_no_leak(tmp_path, train_root):
    used = hook(bank=bank_of(tmp_path, train_root, saw(train_root)))
    run(detector_config(train_root, tmp_path / 'work', [used]))
