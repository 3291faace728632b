"""A small run of the tools: tools/train.py with all stages, tools/test.py.

One run, read by several tests.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from pycocotools.coco import COCO

from mmdet_ddpm_moco.demo.plates import make_demo_set
from mmdet_ddpm_moco.utils.paths import shipped

pytestmark = pytest.mark.slow

TINY = """
_base_ = (
    '{configs}/ddpm_moco/faster-rcnn_r18_fpn_ddpm-moco_1xb4-720i_neu-det.py')
plates = dict(type='mmdet_ddpm_moco.AluminiumPlateDataset',
              data_root='plates/', ann_file='annotations/train.json')
model = dict(backbone=dict(base_channels=8),
             neck=dict(in_channels=[8, 16, 32, 64]),
             roi_head=dict(bbox_head=dict(num_classes=3)))
train_dataloader = dict(num_workers=0, persistent_workers=False,
    dataset=dict(**plates, filter_cfg=dict(filter_empty_gt=False)))
val_dataloader = dict(num_workers=0, persistent_workers=False,
                      dataset=plates)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='plates/annotations/train.json')
test_evaluator = val_evaluator
train_cfg = dict(max_iters=2, val_interval=10)
default_hooks = dict(logger=dict(interval=1))
work_dir = 'run/detector'
custom_hooks = [dict(type='mmdet_ddpm_moco.DDPMMoCoHook', prob=1.0,
                     allow_leakage=True)]
stages = dict(root='run', generator=dict(config='ddpm.py'),
              bank=dict(num=12, max_window=32, num_inference_steps=2),
              backbone=dict(config='moco.py'))
"""
TINY_DDPM = """
_base_ = '{configs}/demo/ddpm_unet32.py'
model = dict(unet=dict(block_out_channels=(8, 8, 8, 8), norm_num_groups=4,
                       attention_head_dim=8))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(ann_file='plates/annotations/train.json',
                 img_prefix='plates/images/', window=32))
train_cfg = dict(max_iters=2)
"""
TINY_MOCO = """
_base_ = '{configs}/mocov2/mocov2_r18_1xb64-coslr-530i_neu-det.py'
model = dict(queue_len=32, backbone=dict(stem_channels=8, base_channels=8),
             neck=dict(in_channels=64, hid_channels=16))
train_dataloader = dict(batch_size=16, num_workers=0,
    persistent_workers=False, dataset=dict(sources=[
    dict(ann_file='plates/annotations/train.json',
         img_prefix='plates/images/', dataset_ids='image'),
    dict(ann_file='plates/annotations/train.json',
         img_prefix='plates/images/', dataset_ids='class')]))
train_cfg = dict(max_iters=2)
custom_hooks = [
    dict(type='mmdet_ddpm_moco.ExportBackboneHook'),
    dict(type='mmdet_ddpm_moco.ContrastiveProgressHook', labeled=dict(
        ann_file='plates/annotations/train.json', img_prefix='plates/images/',
        background=1))]
"""


class Attack:
    """Makes a folder when it is unpickled the unsafe way."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def run(
    folder: Path, tool: str, *arguments: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(shipped('tools') / tool), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
        timeout=600,
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('job')
    make_demo_set(folder / 'plates', seed=0)
    for name, text in (
        ('detector', TINY),
        ('ddpm', TINY_DDPM),
        ('moco', TINY_MOCO),
    ):
        (folder / f'{name}.py').write_text(
            text.format(configs=shipped('configs'))
        )
    return folder


@pytest.fixture(scope='module')
def first_run(folder) -> subprocess.CompletedProcess:
    return run(folder, 'train.py', 'detector.py')


def test_no_prepare_prints_the_commands(folder):
    done = run(folder, 'train.py', 'detector.py', '--no-prepare')
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    for tool in (
        'tools/train.py ddpm.py',
        'tools/synthesize.py ddpm.py',
        'tools/train.py moco.py',
    ):
        assert tool in done.stderr
    assert not (folder / 'run').exists()


def test_testing_on_what_is_trained_on_is_refused_first(folder):
    refused = ('--cfg-options', 'custom_hooks.0.allow_leakage=False')
    done = run(folder, 'train.py', 'detector.py', *refused)
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert (
        'error: the generator that detector.py asks for would be made from '
        '42 of the 42 validation and test images, 42 in the same file'
    ) in done.stderr
    assert 'allow_leakage=True' in done.stderr
    assert not (folder / 'run').exists()


def test_code_in_a_checkpoint_is_refused_first(folder):
    attack = Attack(folder / 'made')
    torch.save(dict(state_dict={}, more=attack), folder / 'untrusted.pth')
    done = run(folder, 'train.py', 'detector.py', '--resume', 'untrusted.pth')
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'error: untrusted.pth is refused' in done.stderr
    assert not (folder / 'run').exists()
    assert not (folder / 'made').exists()


def test_all_stages_run(folder, first_run):
    assert first_run.returncode == 0, first_run.stderr[-3000:]
    log = first_run.stdout + first_run.stderr
    assert 'inserted DiffusionDefectAugment' in log
    assert 'all equal' in log  # the backbone started from the weights
    bank = COCO(str(folder / 'run/bank/annotations.json'))
    assert len(bank.imgs) == 12
    assert (folder / 'run/detector/iter_2.pth').is_file()


def test_a_run_leaves_its_report(folder, first_run):
    report = folder / 'run/detector/report.html'
    log = first_run.stdout + first_run.stderr
    assert 'report of this run: run/detector/report.html' in log
    text = report.read_text()
    assert 'k-NN accuracy on labeled windows' in text
    assert 'all equal' in text
    assert 'cannot be read' not in text


def test_a_detector_that_crashes_leaves_its_report(folder, first_run):
    work_dir = folder / 'crashed'
    done = run(
        folder,
        'train.py',
        'detector.py',
        '--work-dir',
        str(work_dir),
        '--cfg-options',
        'model.backbone.depth=19',
    )
    assert done.returncode == 1
    assert 'invalid depth 19' in done.stderr  # its own error, not another
    log = done.stdout + done.stderr
    assert f'report of this run: {work_dir}/report.html' in log
    assert 'k-NN accuracy on labeled' in (work_dir / 'report.html').read_text()


def test_second_run_reuses_every_stage(folder, first_run):
    done = run(folder, 'train.py', 'detector.py', '--resume')
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout + done.stderr).count('is up to date, reused') == 3


def test_tests_and_writes_results(folder, first_run):
    # Of a detector that found everything.
    coco = json.loads((folder / 'plates/annotations/train.json').read_text())
    keys = ('image_id', 'category_id', 'bbox')
    boxes = [
        dict({key: a[key] for key in keys}, score=1.0)
        for a in coco['annotations']
    ]
    (folder / 'other.json').write_text(json.dumps(boxes))
    done = run(
        folder,
        'test.py',
        'detector.py',
        'run/detector/iter_2.pth',
        '--out',
        'results.json',
        '--compare',
        'other.json',
        '--cfg-options',
        'model.test_cfg.rcnn.score_thr=0.0',
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'coco/bbox_mAP:' in done.stdout + done.stderr
    truth = COCO(str(folder / 'plates/annotations/train.json'))
    found = truth.loadRes(str(folder / 'results.json'))
    assert {
        a['image_id']
        for a in json.loads((folder / 'results.json').read_text())
    } <= set(truth.imgs)
    assert len(found.anns) > 0
    assert 'against other.json: ' in done.stdout
    assert 'other.json: 0 defects are found that were missed' in done.stdout
    assert ' 0 are missed' not in done.stdout
    assert cv2.imread(str(folder / 'results.compared.png')) is not None


def test_detections_to_compare_with_must_be_there(folder):
    done = run(
        folder,
        'test.py',
        'detector.py',
        'any.pth',
        '--out',
        'results.json',
        '--compare',
        'nowhere.json',
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert 'nowhere.json' in done.stderr.splitlines()[-1]


def test_writes_a_submission(folder, first_run):
    options = (
        '--images',
        'plates/images',
        '--cfg-options',
        'model.test_cfg.rcnn.score_thr=0.0',
    )
    arguments = ('detector.py', 'run/detector/iter_2.pth')
    done = run(
        folder, 'test.py', *arguments, '--submission', 'submitted', *options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    listed = json.loads((folder / 'submitted/images.json').read_text())
    names = [image['file_name'] for image in listed['images']]
    assert len(names) == len(list((folder / 'plates/images').iterdir()))
    record = json.loads((folder / 'submitted/submission.json').read_text())
    assert 'test.py detector.py' in record['command']
    truth = COCO(str(folder / 'submitted/images.json'))
    assert truth.loadRes(str(folder / 'submitted/results.json')).anns


def test_a_submission_is_refused_in_one_line(folder, first_run):
    done = run(
        folder,
        'test.py',
        'detector.py',
        'run/detector/iter_2.pth',
        '--submission',
        'refused',
        '--cfg-options',
        'model.test_cfg.rcnn.score_thr=1.1',
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith('error: no detection in any image')
    )
    assert not (folder / 'refused').exists()


def test_missing_data_is_one_line(folder):
    done = run(
        folder,
        'train.py',
        str(
            shipped('configs')
            / 'ddpm_moco/faster-rcnn_r18_fpn_1xb4-720i_neu-det.py'
        ),
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert 'data/NEU-DET/annotations/train_20.json' in last
    assert 'tools/prepare_dataset.py' in last
