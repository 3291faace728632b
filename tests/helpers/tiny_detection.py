"""Labeled images, a defect bank on them and detectors in a second."""

import copy
import functools
import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner

from mmdet_ddpm_moco.bank.writer import BankWriter
from mmdet_ddpm_moco.utils.paths import shipped

CLASSES = ('dent', 'scratch')
SIZE = 64
HOOK = 'mmdet_ddpm_moco.DDPMMoCoHook'
AUGMENT = 'mmdet_ddpm_moco.DiffusionDefectAugment'
LOAD = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
]
PACK = dict(type='PackDetInputs')
_names = itertools.count()


def write_images(root, number=4, classes=CLASSES):
    """Images with one labeled defect each, and their COCO json."""
    (root / 'images').mkdir(parents=True)
    data = dict(
        images=[],
        annotations=[],
        categories=[dict(id=i + 1, name=n) for i, n in enumerate(classes)],
    )
    for i in range(number):
        rng = np.random.RandomState(i)
        pixels = rng.randint(60, 190, (SIZE, SIZE)).astype(np.uint8)
        cv2.imwrite(str(root / 'images' / f'{i}.png'), pixels)
        data['images'].append(
            dict(id=i, file_name=f'{i}.png', width=SIZE, height=SIZE)
        )
        data['annotations'].append(
            dict(
                id=i + 1,
                image_id=i,
                category_id=i % len(classes) + 1,
                bbox=[4, 6, 12, 10],
                area=120,
                iscrowd=0,
            )
        )
    (root / 'train.json').write_text(json.dumps(data))
    return root


def write_bank(root, data_root, number=4, classes=CLASSES, names='{}.png'):
    """A bank with one added defect per image, of the last class."""
    writer = BankWriter(root, dict(classes=list(classes)))
    records, pictures = [], []
    alpha = np.zeros((24, 24), np.uint8)
    alpha[7:17, 7:17] = 255
    for i in range(number):
        path = data_root / 'images' / f'{i}.png'
        part = cv2.imread(str(path))[32:56, 32:56].copy()
        part[alpha > 0] = 255
        pictures.append(np.dstack([part, alpha]))
        records.append(
            dict(
                number=i,
                kind='add',
                label=len(classes) - 1,
                source=names.format(i),
                window=[32, 32, 24, 24],
                box=[39, 39, 10, 10],
                replaces=None,
                rejected=None,
            )
        )
    writer.write_block(0, records, pictures)
    writer.close(number)
    return str(root)


def coco(data_root, pipeline=(), **changes):
    """Config of a dataset of these images."""
    return dict(
        type='CocoDataset',
        data_root=str(data_root),
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES),
        pipeline=[*LOAD, *pipeline],
        # It would collect all garbage, which takes longer than the test.
        serialize_data=False,
        **changes,
    )


def build_dataset(cfg):
    return DATASETS.build(dict(cfg, _scope_='mmdet'))


@HOOKS.register_module()
class KeepBoxesHook(Hook):
    """Records the number of boxes of each training image, by epoch."""

    priority = 'LOWEST'
    counts = {}

    @staticmethod
    def all():
        return list(itertools.chain(*KeepBoxesHook.counts.values()))

    def before_run(self, runner):
        KeepBoxesHook.counts = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        found = KeepBoxesHook.counts.setdefault(runner.epoch, [])
        for sample in data_batch['data_samples']:
            found.append(len(sample.gt_instances))


@HOOKS.register_module()
class EagerIteratorHook(Hook):
    """Starts the workers before anything else, as MMEngine 0.10.7 does."""

    priority = 'HIGHEST'

    def before_run(self, runner):
        loop = runner.train_loop
        if loop.dataloader_iterator._iterator is None:
            loop.dataloader_iterator._iterator = iter(loop.dataloader)


@MODELS.register_module()
class BackboneAlone(BaseModel):
    """Has the inputs of a detector, for tests of anything but the model."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = MODELS.build(backbone)

    def forward(self, inputs, data_samples, mode='tensor'):
        pixels = torch.stack(list(inputs)).float() / 255
        return dict(loss=self.backbone(pixels)[-1].square().mean())


def faster_rcnn():
    """The shipped small Faster R-CNN, with 8 channels everywhere.

    A copy: tests change their models.
    """
    return copy.deepcopy(_faster_rcnn())


@functools.cache
def _faster_rcnn():
    base = shipped('configs') / '_base_/models/faster-rcnn_r18_fpn_small.py'
    cfg = Config(dict(model=Config.fromfile(base).model))
    cfg.merge_from_dict(
        {
            'model.backbone.base_channels': 8,
            'model.backbone.stem_channels': 8,
            'model.neck.in_channels': [8, 16, 32, 64],
            'model.neck.out_channels': 8,
            'model.rpn_head.in_channels': 8,
            'model.rpn_head.feat_channels': 8,
            'model.roi_head.bbox_roi_extractor.out_channels': 8,
            'model.roi_head.bbox_head.in_channels': 8,
            'model.roi_head.bbox_head.fc_out_channels': 8,
            'model.roi_head.bbox_head.num_classes': len(CLASSES),
        }
    )
    return cfg.model


def detector_config(
    data_root, work_dir, hooks=(), epochs=1, model=None, **changes
):
    """A run on these images, of the backbone alone without a `model`."""
    if model is None:
        backbone = dict(type='ResNet', depth=18, base_channels=8)
        model = dict(type='BackboneAlone', backbone=backbone)
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=coco(data_root, [dict(type='PackDetInputs')]),
    )
    return Config(
        dict(
            default_scope='mmdet',
            model=copy.deepcopy(model),
            work_dir=str(work_dir),
            train_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4)),
            custom_hooks=[*hooks, dict(type='KeepBoxesHook')],
            experiment_name=f'detection{next(_names)}',
            **changes,
        )
    )


def hook(**settings):
    return dict(type=HOOK, **settings)


def always(bank):
    """The hook that gives every image its one added defect."""
    return hook(bank=bank, prob=1.0, max_windows=1)


def augmented(pipeline):
    return [
        i
        for i, t in enumerate(pipeline)
        if 'DiffusionDefectAugment' in str(t['type'])
    ]


def dumped_config(runner):
    (path,) = Path(runner.work_dir).glob('*.py')
    return Config.fromfile(path)


def run(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner
