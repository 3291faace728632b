"""Tools of ours and of MMDetection, run in this process on a tiny job."""

import copy
import itertools
import json
import runpy
import shutil
import sys
from pathlib import Path

import mmdet

from .tiny_detection import detector_config, hook, write_bank, write_images
from .tiny_runs import random_weights, resnet, save

OURS = Path(__file__).parents[2] / 'tools' / 'train.py'
THEIRS = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'
_names = itertools.count()


class Job:
    """Images, a bank on them, weights and a config with the one line.

    Args:
        root (Path): Folder of all of it.
    """

    def __init__(self, root):
        self.root = root
        self.data = write_images(root / 'data')
        self.bank = Path(write_bank(root / 'bank', self.data))
        self.checkpoint = Path(
            save(random_weights(resnet()), root / 'moco.pth')
        )
        self.cfg = detector_config(self.data, root / 'run')
        self.use(self.both())

    def both(self, **settings):
        """The hook that gives each image its one defect, and weights."""
        return hook(
            bank=str(self.bank),
            checkpoint=str(self.checkpoint),
            prob=1.0,
            max_windows=1,
            **settings,
        )

    def new_bank(self, **settings):
        """Another bank in the place of the first."""
        shutil.rmtree(self.bank)
        write_bank(self.bank, self.data, **settings)

    def use(self, *hooks):
        self.cfg.custom_hooks = [*hooks, dict(type='KeepBoxesHook')]

    @property
    def dataset(self):
        return self.cfg.train_dataloader.dataset

    def write(self, workers=0):
        """Writes the config; returns its file."""
        cfg = copy.deepcopy(self.cfg)
        # MMEngine names runs by file and second; tests are faster.
        cfg.experiment_name = f'tool{next(_names)}'
        cfg.train_dataloader.num_workers = workers
        file = self.root / 'detector.py'
        cfg.dump(file)
        return file


def rewrite(file, change):
    """Changes the content of a json file, in place."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def call(monkeypatch, tool, *arguments):
    """Runs the ``main`` of a tool with arguments."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, arguments)])
    runpy.run_path(str(tool))['main']()
