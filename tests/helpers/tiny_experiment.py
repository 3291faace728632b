"""An experiment of minimal configs, and fake tools that train nothing."""

import json
import zlib
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

from mmdet_ddpm_moco.ablation.measure import prepare_runs, valid_records
from mmdet_ddpm_moco.engine.training import STAGE_FILE, training_fingerprint

CLASSES = ('dent', 'crack')

VARIANT = """
model = dict(type='Detector', depth=18)
data_root = 'data/'
train_pipeline = [dict(type='LoadImageFromFile'),
                  dict(type='LoadAnnotations', with_bbox=True),
                  dict(type='RandomFlip', prob=0.5)]
train_dataloader = dict(batch_size=4, dataset=dict(
    type='Coco', data_root=data_root, ann_file='annotations/train_20.json',
    data_prefix=dict(img='images/'), pipeline=train_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(
    type='Coco', data_root=data_root, ann_file='annotations/test.json',
    data_prefix=dict(img='images/'), pipeline=[]))
test_evaluator = dict(type='CocoMetric')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=720)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
param_scheduler = [dict(type='CosineAnnealingLR', end=720)]
randomness = dict(seed=0)
"""

EXPERIMENT = """
variants = dict(baseline='baseline.py', other='other.py')
reference = 'baseline'
shots = [1]
seeds = [0, 1]
data_root = 'data'
work_dir = 'work'
resamples = 20
"""


def write_coco(file, images):
    """Annotations of images given as ``{name: class index}``, one box each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = dict(
        images=[
            dict(id=i + 1, file_name=name, width=40, height=40)
            for i, name in enumerate(images)
        ],
        annotations=[
            dict(
                id=i + 1,
                image_id=i + 1,
                category_id=label + 1,
                bbox=[5, 5, 20, 10],
                area=200,
                iscrowd=0,
            )
            for i, label in enumerate(images.values())
        ],
        categories=[dict(id=i + 1, name=n) for i, n in enumerate(CLASSES)],
    )
    file.write_text(json.dumps(content))


def write_images(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        pixels = rng.randint(0, 256, (40, 40), dtype=np.uint8)
        cv2.imwrite(str(folder / name), pixels)


def make_experiment(folder):
    """Writes an experiment and its data; returns the experiment file."""
    train = {f'train_{i}.png': i % 2 for i in range(12)}
    test = {f'test_{i}.png': i % 2 for i in range(4)}
    write_coco(folder / 'data/annotations/train.json', train)
    write_coco(folder / 'data/annotations/test.json', test)
    write_images(folder / 'data/images', [*train, *test])
    (folder / 'baseline.py').write_text(VARIANT)
    (folder / 'other.py').write_text("_base_ = './baseline.py'\n")
    (folder / 'experiment.py').write_text(EXPERIMENT)
    return folder / 'experiment.py'


def change_variant(file, text):
    """Appends to the config of the variant `other`."""
    with (file.parent / 'other.py').open('a') as variant:
        variant.write(text)


def declare(file, flag):
    """Lets the variant `other` differ in something."""
    variant = f"other=dict(config='other.py', {flag}=True)"
    text = file.read_text()
    file.write_text(text.replace("other='other.py'", variant))


class FakeTools:
    """Replaces ``run_logged`` and writes what the tools would write.

    Args:
        wrong (dict): Number of missed test boxes by name of a variant, or
            a dict of it by iteration.
    """

    def __init__(self, **wrong):
        self.wrong = wrong
        self.kept = (720,)  # iterations of the checkpoints that are kept
        self.calls = []
        self.train = self._train

    def trained(self):
        """Names of the runs that were trained, in order."""
        return [
            Path(c[2]).parent.name for c in self.calls if 'train.py' in c[1]
        ]

    def __call__(self, command, log, on_line=None):
        self.calls.append(command)
        file = Path(command[2])
        if command[1].endswith('train.py'):
            self.train(file)
        else:
            out = Path(command[command.index('--out') + 1])
            self._test(file, Path(command[3]), out)
        return 1.0

    def _train(self, file, finished=True):
        cfg = Config.fromfile(file)
        state = dict(fingerprint=training_fingerprint(cfg), finished=finished)
        folder = Path(cfg.work_dir)
        (folder / STAGE_FILE).write_text(json.dumps(state))
        for iteration in self.kept:
            checkpoint = folder / f'iter_{iteration}.pth'
            checkpoint.touch()
        (folder / 'last_checkpoint').write_text(str(checkpoint))

    def _test(self, file, checkpoint, out):
        assert checkpoint.is_file()
        data = Config.fromfile(file).test_dataloader.dataset
        tested = Path(data.data_root) / data.ann_file
        truth = json.loads(tested.read_bytes())
        variant = out.name.removesuffix('.bbox.json').rpartition('_')[2]
        if variant != 'tta':
            variant = file.parent.name.split('_')[0]
        wrong = self.wrong.get(variant, 0)
        if isinstance(wrong, dict):  # by iteration
            wrong = wrong[int(checkpoint.stem.removeprefix('iter_'))]
        results = [
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                bbox=[0, 30, 5, 5] if i < wrong else a['bbox'],
                score=0.5 if i < wrong else 0.9,
            )
            for i, a in enumerate(truth['annotations'])
        ]
        out.write_text(json.dumps(results))


def measured(experiment):
    return valid_records(experiment, prepare_runs(experiment))[0]


def add_generator(experiment):
    with (experiment.file.parent / 'other.py').open('a') as file:
        file.write(
            "stages = dict(root='run', generator=dict(config='ddpm.py'))\n"
        )
    (experiment.file.parent / 'ddpm.py').write_text(
        "train_dataloader = dict(dataset=dict(type='W', "
        "ann_file='data/annotations/train_20.json'))\n"
    )
