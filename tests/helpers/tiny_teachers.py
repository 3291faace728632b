"""Labeled and unlabeled images, a detector, and tools in this process."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np

from .tiny_detection import (
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
        return 1.0


def write_data(root):
    """Six labeled images and nine others, of which three are labeled too."""
    write_images(root / 'labeled', 6)
    write_images(root / 'all', 9)
    for path in (root / 'all/images').iterdir():
        if int(path.stem) >= 3:
            pixels = np.random.RandomState(50 + int(path.stem))
            shape = (SIZE, SIZE)
            cv2.imwrite(
                str(path), pixels.randint(0, 255, shape).astype(np.uint8)
            )
    return root


def teacher_config(root):
    """A detector's config as its file would give it."""
    data = root / 'labeled'
    pipeline = [*LOAD[:1], dict(type='Resize', scale=(SIZE, SIZE)), PACK]
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(coco(data, [PACK]), test_mode=True, pipeline=pipeline),
    )
    return detector_config(
        data,
        root / 'run',
        model=faster_rcnn(),
        test_dataloader=loader,
        test_cfg=dict(),
        test_evaluator=dict(
            type='CocoMetric', ann_file=str(data / 'train.json')
        ),
    )
