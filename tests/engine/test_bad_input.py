"""What a user sees of a wrong input: one line that says what to do.

By tools/train.py, with workers; before the first step where it can be known.
"""

import copy
import pickle
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from safetensors.torch import save_file

from helpers.tiny_detection import (
    AUGMENT,
    LOAD,
    PACK,
    KeepBoxesHook,
    faster_rcnn,
    hook,
    write_bank,
)
from helpers.tiny_runs import random_weights, resnet, save
from helpers.tool_runs import OURS, call, rewrite
from mmdet_ddpm_moco.engine import training_set_checks

INIT = 'mmdet_ddpm_moco.ContrastiveInitHook'


@pytest.fixture
def refusal(monkeypatch, capfd):
    """Trains and returns the last line; there is no traceback."""

    def train(job, workers):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            call(monkeypatch, OURS, job.write(workers))
        assert end.value.code == 1
        err = capfd.readouterr().err
        assert 'Traceback' not in err
        lines = err.splitlines()
        assert sum(line.startswith('error: ') for line in lines) == 1
        assert lines[-1].startswith('error: ')
        return lines[-1]

    return train


def other_classes(job):
    job.new_bank(classes=('rust', 'hole'))


def no_window_of_a_known_class(job):
    job.new_bank(classes=('dent', 'rust'))


def newer(job):
    rewrite(job.bank / 'manifest.json', lambda m: m.update(format_version=2))


def oddly_newer(job):
    rewrite(
        job.bank / 'manifest.json', lambda m: m.update(format_version='2.0')
    )


def other_names(job):
    job.new_bank(names='other/{}.png')


def other_pixels(job):
    for file in (job.data / 'images').iterdir():
        cv2.imwrite(str(file), 255 - cv2.imread(str(file)))


def one_name_in_two_folders(job):
    other = job.root / 'other'
    shutil.copytree(job.data, other)
    for file in (other / 'images').iterdir():
        cv2.imwrite(str(file), 255 - cv2.imread(str(file)))
    both = [copy.deepcopy(job.dataset) for _ in range(2)]
    for part, data in zip(both, (job.data, other)):
        part.update(data_root=str(data), ann_file='train.json')
        part.data_prefix = dict(img='images/')
    job.cfg.train_dataloader.dataset = ConfigDict(
        type='ConcatDataset', datasets=both
    )


def no_bank(job):
    shutil.rmtree(job.bank)


def no_manifest(job):
    (job.bank / 'manifest.json').unlink()


def no_index(job):
    (job.bank / 'index.npy').unlink()


def no_patches(job):
    (job.bank / 'patches.bin').unlink()


def half_the_patches(job):
    file = job.bank / 'patches.bin'
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def make_older(job):
    """Makes the bank one of an older version, which had no patches."""
    for file in job.bank.glob('patches.*'):
        file.unlink()


def half_the_pictures(job):
    make_older(job)
    for number in (2, 3):
        (job.bank / f'images/{number:06d}.png').unlink()


def no_pictures(job):
    make_older(job)
    shutil.rmtree(job.bank / 'images')


def no_load_annotations(job):
    job.dataset.pipeline = [LOAD[0], PACK]


def ignored(job):
    def change(coco):
        for annotation in coco['annotations']:
            annotation['iscrowd'] = 1

    rewrite(job.data / 'train.json', change)


def ignored_and_weights_alone(job):
    ignored(job)
    job.use(hook(checkpoint=str(job.checkpoint)))


def nothing_given(job):
    job.use(hook())


def two_banks(job):
    job.use(hook(bank=str(job.bank)), hook(bank=str(job.root / 'b')))
    write_bank(job.root / 'b', job.data)


def one_bank_in_two_ways(job):
    job.use(hook(bank=str(job.bank)), hook(bank=str(job.bank), prob=0.1))


def other_weights(job):
    other = save(random_weights(resnet(), seed=1), job.root / 'other.pth')
    return dict(type=INIT, checkpoint=other)


def other_weights_before(job):
    job.use(other_weights(job), job.both())


def other_weights_after(job):
    job.use(job.both(), other_weights(job))


def other_bank_in_the_pipeline(job):
    own = write_bank(job.root / 'b', job.data)
    job.dataset.pipeline = [*LOAD, dict(type=AUGMENT, bank=own), PACK]


BEFORE_THE_FIRST_STEP = [
    (other_classes, 'rust, hole, the dataset has dent, scratch; they have'),
    (no_window_of_a_known_class, 'of a class that it has'),
    (newer, 'has format 2, this version reads up to 1; upgrade'),
    (oddly_newer, 'has format 2.0, this version reads up to 1; upgrade'),
    (other_names, 'no window of the defect bank'),
    (other_pixels, 'does not belong to the image'),
    (one_name_in_two_folders, 'name their folders in the file names'),
    (no_bank, 'does not exist'),
    (no_manifest, 'is not there; make it with tools/synthesize.py'),
    (no_index, 'index.npy of the defect bank'),
    (no_patches, 'patches.bin of the defect bank'),
    (half_the_patches, 'patches.bin of the defect bank'),
    (half_the_pictures, '2 of 4 pictures of the defect bank'),
    (no_pictures, '4 of 4 pictures of the defect bank'),
    (no_load_annotations, 'no training pipeline has LoadAnnotations'),
    (ignored, 'all 4 annotations of the training set are ignored'),
    (ignored_and_weights_alone, 'all 4 annotations of the training set'),
    (nothing_given, 'got none'),
    (two_banks, 'custom_hooks give a bank twice'),
    (one_bank_in_two_ways, 'prob=0.1'),
    (other_weights_before, 'custom_hooks give a checkpoint twice'),
    (other_weights_after, 'custom_hooks give a checkpoint twice'),
    (other_bank_in_the_pipeline, 'give bank and scenes in one place'),
]


@pytest.mark.parametrize(
    ('fault', 'text'),
    BEFORE_THE_FIRST_STEP,
    ids=lambda x: getattr(x, '__name__', ''),
)
def test_a_fault_is_known_before_the_first_step(job, refusal, fault, text):
    fault(job)
    assert text in refusal(job, workers=2)
    assert KeepBoxesHook.all() == []


def cut_short(data):
    return data[:-40]


def flip_a_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('damage', [cut_short, flip_a_bit])
def test_a_damaged_picture_in_the_middle_of_an_epoch(
    job, refusal, monkeypatch, workers, damage
):
    # As in a set with more images than are compared beforehand.
    monkeypatch.setattr(training_set_checks, 'COMPARED', 1)
    make_older(job)
    file = job.bank / 'images/000003.png'
    file.write_bytes(damage(file.read_bytes()))
    assert f'{file} is missing or damaged' in refusal(job, workers)
    # The batch before it was trained on.
    assert KeepBoxesHook.all() == [2, 2]


@pytest.mark.parametrize('workers', [0, 2])
def test_a_damaged_patch_in_the_middle_of_an_epoch(
    job, refusal, monkeypatch, workers
):
    monkeypatch.setattr(training_set_checks, 'COMPARED', 1)
    file = job.bank / 'patches.bin'
    data = file.read_bytes()  # the fourth window is the last one in it
    file.write_bytes(data[:-40] + flip_a_bit(data[-40:]))
    text = refusal(job, workers)
    assert f'patches.bin of the defect bank {job.bank} cannot be' in text
    assert KeepBoxesHook.all() == [2, 2]


def detector(**changes):
    from mmdet.registry import MODELS

    return MODELS.build(dict(faster_rcnn(), **changes)).state_dict()


CHECKPOINTS = [
    ('width', lambda f: save(random_weights(resnet(width=16)), f), 'width'),
    ('empty file', lambda f: f.write_bytes(b''), 'is refused: it is damaged'),
    ('nothing', lambda f: torch.save({}, f), 'only: nothing'),
    (
        'no weights',
        lambda f: torch.save(dict(state_dict={}, epoch=3), f),
        'only: state_dict (dict), epoch (int)',
    ),
    (
        'arrays',
        lambda f: torch.save({str(i): np.ones(3) for i in range(9)}, f),
        'only: 0 (',
    ),
    (
        'safetensors',
        lambda f: save_file(dict(a=torch.ones(3)), f),
        'of another kind than the weights that torch.save writes',
    ),
    (
        'pickle',
        lambda f: f.write_bytes(pickle.dumps(dict(a=np.ones(3)))),
        'is refused',
    ),
    (
        'hdf5',
        lambda f: f.write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(999)),
        'is refused',
    ),
    (
        'names of tensorflow',
        lambda f: torch.save(
            {
                k.replace('.', '/').replace('weight', 'kernel'): v
                for k, v in random_weights(resnet()).items()
            },
            f,
        ),
        'another architecture or unknown names',
    ),
    (
        'detector without its backbone',
        lambda f: torch.save(
            {k: v for k, v in detector().items() if 'backbone' not in k}, f
        ),
        'another architecture or unknown names',
    ),
]


@pytest.mark.parametrize(
    ('make', 'text'),
    [row[1:] for row in CHECKPOINTS],
    ids=[row[0] for row in CHECKPOINTS],
)
def test_a_checkpoint_that_does_not_fit(job, refusal, make, text):
    make(job.checkpoint)
    line = refusal(job, workers=0)
    assert text in line and str(job.checkpoint) in line
    assert len(line) < 500
    assert KeepBoxesHook.all() == []
