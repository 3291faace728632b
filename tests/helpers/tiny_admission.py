"""A detector whose parts are judged, and tools that train nothing."""

import json
from pathlib import Path

import cv2
from mmengine.config import Config

from mmdet_ddpm_moco.engine.training import STAGE_FILE, training_fingerprint

from .tiny_stages import BACKBONE, GENERATOR
from .tiny_teachers import read_detector, write_data, write_detector

PARTS = dict(
    generator=dict(config='ddpm.py'),
    bank=dict(num=4, num_inference_steps=1, max_window=32, mix=dict(add=1.0)),
    backbone=dict(config='moco.py'),
)


def write_admission(root, **options):
    """A detector with all parts; its data are those of tiny_teachers."""
    if not (root / 'labeled').is_dir():
        write_data(root)
    data = repr(str(root / 'labeled'))
    for name, text in (('ddpm.py', GENERATOR), ('moco.py', BACKBONE)):
        (root / name).write_text(text.replace('{data!r}', data))
    options.setdefault('folds', 2)
    return write_detector(root, **PARTS, admission=options)


def read_admission(file):
    cfg = read_detector(file)
    cfg.launcher = 'none'
    return cfg


def add_line(file, line):
    """Adds a line to a config as its user would."""
    file.write_text(f'{file.read_text()}\n{line}\n')


def near_copy(image, copy):
    """Writes an image the other way round and a little brighter."""
    pixels = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(copy), cv2.flip(pixels, 1) + 3)


def write_list(file, source, numbers):
    """Writes a COCO json of some of the images of another one."""
    coco = json.loads(source.read_bytes())
    coco['images'] = [coco['images'][i] for i in numbers]
    ids = {image['id'] for image in coco['images']}
    coco['annotations'] = [
        a for a in coco['annotations'] if a['image_id'] in ids
    ]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(coco))
    return str(file)


class JudgedTools:
    """Replaces ``run_logged``; detectors find as many boxes as is said.

    Args:
        found (dict): Number of the first images whose box is found, by the
            parts of a detector; 3 where not named.
    """

    def __init__(self, **found):
        self.found = {k.replace('_', '+'): v for k, v in found.items()}
        self.trained = []

    def __call__(self, command, log, on_line=None):
        file = Path(command[2])
        cfg = Config.fromfile(file)
        if command[1].endswith('train.py'):
            self.trained.append(
                f'{file.parent.parent.name}/{file.parent.name}'
            )
            state = dict(fingerprint=training_fingerprint(cfg), finished=True)
            folder = Path(cfg.work_dir)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / STAGE_FILE).write_text(json.dumps(state))
            (folder / 'last.pth').touch()
            (folder / 'last_checkpoint').write_text(str(folder / 'last.pth'))
            return 1.0
        truth = json.loads(Path(cfg.test_evaluator.ann_file).read_bytes())
        number = self.found.get(file.parent.name, 3)
        out = Path(command[command.index('--out') + 1])
        results = [
            dict(
                image_id=a['image_id'],
                category_id=a['category_id'],
                bbox=a['bbox'] if a['image_id'] < number else [40, 40, 9, 9],
                score=0.9,
            )
            for a in truth['annotations']
        ]
        out.write_text(json.dumps(results))
        return 1.0
