"""docs/own-data.md from a folder of images to a tested detector, as written.

Its configs get smaller models and two iterations; nothing else is changed.
That each format is prepared as written is in tests/test_docs.py.
"""

import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from pycocotools.coco import COCO

from helpers.voc_maker import write_image, write_xml
from mmdet_ddpm_moco.engine import teachers
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.stage_plan import stages_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs/own-data.md').read_text()
QUICK = dict(num_workers=0, persistent_workers=False)
SMALLER = {
    'ddpm': f"""
model.update(unet=dict(block_out_channels=(8, 8, 8, 8), norm_num_groups=4,
                       attention_head_dim=8))
train_dataloader.update({QUICK}, batch_size=4)
train_cfg = dict(max_iters=2)
""",
    'mocov2': f"""
model = dict(queue_len=32, neck=dict(hid_channels=16))
train_dataloader.update({QUICK}, batch_size=16)
train_cfg = dict(max_iters=2)
""",
    'faster-rcnn': f"""
model.update(test_cfg=dict(rcnn=dict(score_thr=0.0)))
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.update({QUICK})
del loader
train_cfg = dict(max_iters=2, val_interval=2)
stages['teacher']['options'] = {{'train_cfg.max_iters': 2}}
""",
    'baseline': '',
    'with_bank': '',
    'faster-rcnn_ddpm-moco': '',
}


def commands(text):
    """The commands of a page's blocks of shell, with lines joined."""
    blocks = re.findall(r'```shell\n(.*?)```', text, re.DOTALL)
    lines = '\n'.join(blocks).replace('\\\n    ', '').split('\n')
    return [line for line in lines if line.startswith('python ')]


def test_the_readme_has_the_same_commands():
    text = (ROOT / 'README.md').read_text().split('## Your own images')[1]
    three = commands(text.split('shell\n')[0] + text)[:3]
    assert len(three) == 3
    assert set(three) <= set(commands(PAGE))


@pytest.fixture
def folder(tmp_path):
    """Two kinds of defects, the shipped configs and those of the page."""
    size = (96, 96)
    for number in range(6):
        write_image(
            tmp_path / f'set/images/new_{number}.png', 60 + number, size=size
        )
    for number in range(60):
        name = ('dent', 'scratch')[number % 2]
        stem = f'{name}_{number}'
        write_image(tmp_path / f'set/images/{stem}.png', number, size=size)
        write_xml(
            tmp_path / f'set/annotations/{stem}.xml',
            objects=[(name, 31, 35, 50, 54)],
            size=size,
        )
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    (tmp_path / 'configs/mine').mkdir()
    found = re.findall(
        r'`(configs/mine/([\w-]+)\.py)`.*?```python\n(.*?)```', PAGE, re.DOTALL
    )
    for path, name, text in found:
        (tmp_path / path).write_text(text + SMALLER[name])
    return tmp_path


def test_with_a_bank_there_are_four_stages(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_image(folder / 'data/magnetic-tile/unlabeled/new.png', 1)
    cfg = fill_hooks(Config.fromfile('configs/mine/with_bank.py'))
    cfg.work_dir = 'work_dirs/with_bank'
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['generator', 'bank', 'teacher', 'backbone']
    (hook,) = (h for h in cfg.custom_hooks if 'bank' in h)
    assert hook['scene_prob'] == 0
    assert hook.keys() >= {'checkpoint', 'scenes'}


@pytest.mark.slow
def test_from_a_folder_to_a_tested_detector(folder, monkeypatch, capfd):
    (prepare,) = (c for c in commands(PAGE) if 'voc <folder>' in c)
    train, parts = (
        commands(PAGE.split(f'\n## {head}\n')[1].split('\n## ')[0])
        for head in ('Train', 'Bank and contrastive weights')
    )
    assert (len(train), len(parts)) == (5, 4)
    monkeypatch.chdir(folder)
    # Teachers of two iterations are sure of nothing.
    monkeypatch.setattr(
        teachers,
        'merged_probabilities',
        lambda merged, *_: [np.full(len(f.labels), 0.9) for f in merged],
    )
    logs = {}
    for command in (prepare, *train, *parts):
        _, tool, *options = shlex.split(command.replace('<folder>', 'set'))
        if tool == 'tools/test.py':
            # The page's run is longer.
            shutil.copy(options[1].replace('2880', '2'), options[1])
        capfd.readouterr()
        monkeypatch.setattr(sys, 'argv', [tool, *options])
        runpy.run_path(str(ROOT / tool), run_name='__main__')
        logs[tool, options[0]] = ''.join(capfd.readouterr())
    scenes = logs['tools/train.py', 'configs/mine/faster-rcnn.py']
    assert 'stage 1 of 1, teacher: making work_dirs/mine/scenes' in scenes
    assert json.loads(Path('work_dirs/mine/scenes/scenes.json').read_text())
    log = logs['tools/train.py', 'configs/mine/faster-rcnn_ddpm-moco.py']
    # What the commands before made is what the detector asks for.
    assert log.count('is up to date, reused') == 3
    assert 'inserted DiffusionDefectAugment' in log
    assert 'all equal' in log
    bank = COCO('work_dirs/mine_ddpm-moco/bank/annotations.json')
    assert len(bank.imgs) == 320
    compared = logs['tools/test.py', 'configs/mine/faster-rcnn.py']
    assert 'see scenes.compared.png' in compared
    found = json.loads(Path('detections.json').read_text())
    truth = COCO('data/mine/annotations/test.json')
    assert {d['image_id'] for d in found} <= set(truth.imgs)
    assert {d['category_id'] for d in found} <= set(truth.cats)
    assert found
