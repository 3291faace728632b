"""Labeled and unlabeled images, a detector, and tools in this process."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.visualization import Visualizer

from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.stage_plan import stages_of

from .tiny_detection import (
    HOOK,
    LOAD,
    PACK,
    SIZE,
    coco,
    detector_config,
    faster_rcnn,
    write_images,
)


class Tools:
    """Runs the tools in this process, which is faster; counts them."""

    def __init__(self):
        self.trained = []

    def __call__(self, command, log, on_line=None):
        self.trained.append(Path(command[2]).parent.name)
        argv, sys.argv = sys.argv, command[1:]
        try:
            runpy.run_path(command[1])['main']()
        finally:
            sys.argv = argv
            # A process has its own; here one of the same second, and name,
            # would write into the folder of the run before.
            for kind in (Visualizer, *Visualizer.__subclasses__()):
                kind._instance_dict.clear()
        return 1.0


def write_data(root):
    """Six labeled images and nine others, of which three are labeled too.

    And two to test on.
    """
    write_images(root / 'labeled', 6)
    write_images(root / 'all', 9)
    write_images(root / 'test', 2)
    others = [root / f'all/images/{i}.png' for i in range(3, 9)]
    others += (root / 'test/images').iterdir()
    for seed, path in enumerate(sorted(others)):
        pixels = np.random.RandomState(50 + seed).randint(0, 255, (SIZE, SIZE))
        cv2.imwrite(str(path), pixels.astype(np.uint8))
    return root


def detector_of(root):
    """A detector's config as its file would give it."""
    data, test = root / 'labeled', root / 'test'
    pipeline = [*LOAD[:1], dict(type='Resize', scale=(SIZE, SIZE)), PACK]
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(coco(test), test_mode=True, pipeline=pipeline),
    )
    return detector_config(
        data,
        root / 'run',
        model=faster_rcnn(),
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=dict(
            type='CocoMetric', ann_file=str(test / 'train.json')
        ),
    )


def write_detector(root, **stages):
    """A detector's file with a hook without arguments; returns it."""
    cfg = detector_of(root)
    cfg.custom_hooks = [dict(type=HOOK)]
    cfg.stages = dict(
        root=str(root / 'root'),
        teacher=dict(
            unlabeled=str(root / 'all/train.json'),
            unlabeled_prefix=str(root / 'all/images'),
            folds=2,
            flips=['none'],
        ),
        **stages,
    )
    file = root / 'detector.py'
    file.write_text(cfg.pretty_text)
    return file


def read_detector(file, **options):
    """As tools/train.py does."""
    cfg = Config.fromfile(file)
    cfg.merge_from_dict(options)
    cfg.work_dir = str(file.parent / 'work')
    return fill_hooks(cfg)


def fresh(file, **options):
    """Whether the scenes of a detector's file are up to date."""
    (stage,) = stages_of(read_detector(file, **options))
    return stage.fresh()
