"""Training launched on several ranks, which die, and go on in other numbers.

With the launch scripts and tools as they are, by torchrun and by a stand-in
for Slurm's srun.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules

from helpers.tiny_banks import UNET, write_images
from helpers.tiny_detection import detector_config, faster_rcnn
from helpers.tiny_detection import write_images as write_detection
from helpers.tool_runs import Job
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.utils.paths import shipped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != 'linux', reason='needs bash'),
]
ITERS, INTERVAL, KILLED_AT = 14, 5, 8
ROOT = Path(__file__).parents[2]

CONFIG = """
default_scope = 'mmengine'
model = dict(
    type='mmdet_ddpm_moco.DefectDDPM', num_classes=3, unet={unet!r}
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler'),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmdet_ddpm_moco.DefectWindowDataset',
        ann_file={ann_file!r},
        img_prefix={img_prefix!r},
        window=32,
    ),
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters={iters})
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval={interval}
    ),
)
custom_hooks = [
    dict(type='EMAHook', ema_type='mmdet_ddpm_moco.ForeachEMA'),
    dict(type='helpers.killed_rank.KilledRank', at={killed_at}),
    dict(type='mmdet_ddpm_moco.ExportGeneratorHook'),
]
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
"""

SRUN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
first = next(i for i, word in enumerate(words) if word[:1] != '-')
options = dict(word[2:].split('=', 1) for word in words[:first])
command = words[first:]
number = int(options['ntasks'])
ranks = [
    subprocess.Popen(command, env=dict(
        os.environ, SLURM_PROCID=str(i), SLURM_LOCALID=str(i),
        SLURM_NTASKS=str(number), SLURM_NODELIST='here',
    ))
    for i in range(number)
]
# --kill-on-bad-exit
while ranks:
    for rank in ranks:
        try:
            code = rank.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        ranks.remove(rank)
        if code:
            for other in ranks:
                other.kill()
            sys.exit(1)
        break
"""


@pytest.fixture
def config(tmp_path):
    ann_file, img_prefix = write_images(tmp_path / 'data')
    file = tmp_path / 'ddpm.py'
    file.write_text(
        CONFIG.format(
            unet=UNET,
            ann_file=str(ann_file),
            img_prefix=str(img_prefix),
            iters=ITERS,
            interval=INTERVAL,
            killed_at=KILLED_AT,
        )
    )
    return file


@pytest.fixture
def launch(tmp_path):
    """Runs a command as a user with the project's environment would."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    (folder / 'python').symlink_to(sys.executable)
    for name, text in (
        ('srun', SRUN.format(python=sys.executable)),
        ('scontrol', '#!/bin/sh\necho 127.0.0.1\n'),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)

    def run(*command, **environ):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = str(probe.getsockname()[1])
        env = {
            **os.environ,
            # A virtual environment is found by the name it is called by.
            'PATH': f'{Path(sys.executable).parent}:{folder}:'
            f'{os.environ["PATH"]}',
            'PYTHONPATH': os.pathsep.join(
                [str(ROOT), str(ROOT / 'tests'), *filter(None, sys.path)]
            ),
            'OMP_NUM_THREADS': '1',
            'PORT': port,
            'MASTER_PORT': port,
            **environ,
        }
        return subprocess.run(
            list(map(str, command)),
            env=env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
        )

    return run


TOOLS = shipped('tools')


def checkpoint(work_dir):
    name = (work_dir / 'last_checkpoint').read_text().strip()
    return torch.load(name, map_location='cpu', weights_only=False)


def iterations(printed):
    return [int(i) for i in re.findall(r'Iter\(train\) \[ *(\d+)/', printed)]


@pytest.mark.parametrize('ranks', [1, 3])
def test_a_rank_dies_and_other_numbers_go_on(config, launch, tmp_path, ranks):
    """Within a minute, with one line of its own, from the last checkpoint."""
    work_dir = tmp_path / 'run'
    words = (config, '2', '--work-dir', work_dir)
    killed = launch('bash', TOOLS / 'dist_train.sh', *words, KILLED_RANK='1')
    ended = time.time()
    print(killed.stdout)
    assert killed.returncode != 0
    assert ended - float((work_dir / 'killed').read_text()) < 60
    print(killed.stdout)
    assert max(iterations(killed.stdout)) == KILLED_AT
    # torchrun may have ended it before it could tell.
    own = [x for x in killed.stdout.splitlines() if x.startswith('error: ')]
    assert len(own) <= 1
    assert all('another of the 2 ranks has ended' in line for line in own)
    assert '[rank' not in killed.stdout  # no traceback
    assert checkpoint(work_dir)['meta']['iter'] == INTERVAL
    script = ('bash', TOOLS / 'dist_train.sh', config, ranks)
    if ranks == 1:
        script = ('python', TOOLS / 'train.py', config)
    resumed = launch(*script, '--work-dir', work_dir, '--resume')
    assert resumed.returncode == 0, resumed.stdout
    assert iterations(resumed.stdout) == list(range(INTERVAL + 1, ITERS + 1))
    assert load_generator(work_dir / 'generator').window == 32


def test_slurm(config, launch, tmp_path):
    """Two tasks of a job, on the CPU; a rank that dies ends the job."""
    work_dir = tmp_path / 'run'
    words = ('partition', 'job', config, work_dir)
    script = ('bash', TOOLS / 'slurm_train.sh', *words)
    killed = launch(*script, GPUS='2', KILLED_RANK='0')
    assert killed.returncode == 1, killed.stdout
    assert checkpoint(work_dir)['meta']['iter'] == INTERVAL
    resumed = launch(*script, '--resume', GPUS='2')
    assert resumed.returncode == 0, resumed.stdout
    assert iterations(resumed.stdout)[-1] == ITERS
    assert load_generator(work_dir / 'generator').window == 32


@pytest.mark.parametrize('kind', ['dist', 'slurm'])
def test_the_line_in_a_detector(launch, tmp_path, kind):
    """Two ranks get windows and weights.

    With our tools: those of MMDetection start ranks on GPUs alone.
    """
    job = Job(tmp_path / 'job')
    job.cfg.model.type = 'helpers.tiny_detection.BackboneAlone'
    job.cfg.custom_hooks[-1] = dict(
        type='helpers.seen_on_rank.SeenOnRank', checkpoint=str(job.checkpoint)
    )
    file, work_dir = job.write(), Path(job.cfg.work_dir)
    words = (file, '2')
    if kind == 'slurm':
        words = ('partition', 'job', file, work_dir)
    done = launch('bash', TOOLS / f'{kind}_train.sh', *words, GPUS='2')
    assert done.returncode == 0, done.stdout
    for rank in range(2):
        seen = json.loads((work_dir / f'rank{rank}.json').read_text())
        assert seen == dict(boxes=[2, 2], weights=True)


def test_an_uneven_test_set(launch, tmp_path):
    """Five images on two ranks: none is lost, none counts twice."""
    cfg = detector_config(
        write_detection(tmp_path / 'detection', 5),
        tmp_path / 'run',
        model=faster_rcnn(),
    )
    loader = cfg.train_dataloader.to_dict()
    loader['batch_size'] = 2
    loader['dataset']['test_mode'] = True
    resize = dict(type='Resize', scale=(64, 64), keep_ratio=True)
    loader['dataset']['pipeline'].insert(-1, resize)
    cfg.merge_from_dict(
        dict(
            test_dataloader=loader,
            test_cfg=dict(),
            test_evaluator=dict(
                type='CocoMetric',
                metric='bbox',
                ann_file=str(tmp_path / 'detection' / 'train.json'),
            ),
            custom_hooks=[],
        )
    )
    cfg.dump(tmp_path / 'detector.py')
    torch.manual_seed(0)
    register_all_modules()
    weights = tmp_path / 'weights.pth'
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), weights)
    found = []
    for name, command in (
        ('one', ('python', TOOLS / 'test.py', 'detector.py', weights)),
        ('two', ('bash', TOOLS / 'dist_test.sh', 'detector.py', weights, '2')),
    ):
        done = launch(*command, '--out', tmp_path / f'{name}.bbox.json')
        assert done.returncode == 0, done.stdout
        found.append(json.loads((tmp_path / f'{name}.bbox.json').read_text()))
    one, two = (
        sorted(rows, key=lambda row: (row['image_id'], -row['score']))
        for rows in found
    )
    assert {row['image_id'] for row in one} == set(range(5))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a['image_id'] == b['image_id']
        assert a['score'] == pytest.approx(b['score'], abs=1e-5)
