"""The launch scripts pass on what they are given, word for word."""

import os
import subprocess

import pytest

from mmdet_ddpm_moco.utils.paths import shipped

TOOLS = shipped('tools')
FAKE = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > "$WORDS"
"""


@pytest.fixture
def launch(tmp_path):
    """Runs a script with a launcher that notes its words; returns them."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in ('python', 'srun'):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)

    def run(script, *words, **environ):
        noted = tmp_path / 'words'
        subprocess.run(
            [TOOLS / script, *words],
            check=True,
            env={
                'PATH': f'{folder}:{os.environ["PATH"]}',
                'WORDS': str(noted),
                **environ,
            },
        )
        return noted.read_text().splitlines()

    return run


OPTIONS = ['--cfg-options', 'a.b=1 2', 'c=[3,4]']


def test_dist_train(launch):
    words = launch('dist_train.sh', 'my config.py', '4', *OPTIONS)
    assert words == [
        *('-m', 'torch.distributed.run'),
        *('--nnodes=1', '--node-rank=0', '--master-addr=127.0.0.1'),
        *('--master-port=29500', '--nproc-per-node=4', '--'),
        *(str(TOOLS / 'train.py'), 'my config.py'),
        *('--launcher', 'pytorch', *OPTIONS),
    ]


def test_dist_test_on_several_machines(launch):
    words = launch(
        'dist_test.sh',
        *('config.py', 'weights.pth', '8', '--out', 'found.json'),
        NNODES='2',
        NODE_RANK='1',
        MASTER_ADDR='gpu-1',
        PORT='4000',
    )
    assert words[2:7] == [
        *('--nnodes=2', '--node-rank=1', '--master-addr=gpu-1'),
        *('--master-port=4000', '--nproc-per-node=8'),
    ]
    assert words[8:] == [
        *(str(TOOLS / 'test.py'), 'config.py', 'weights.pth'),
        *('--launcher', 'pytorch', '--out', 'found.json'),
    ]


@pytest.mark.parametrize(
    ('environ', 'tasks', 'per_node'),
    [
        ({}, 8, 8),
        ({'GPUS': '2'}, 2, 2),
        ({'GPUS': '16'}, 16, 8),
        ({'GPUS': '16', 'GPUS_PER_NODE': '4'}, 16, 4),
    ],
)
def test_slurm_train(launch, environ, tasks, per_node):
    words = launch(
        'slurm_train.sh',
        *('gpu', 'a job', 'config.py', 'work dir', *OPTIONS),
        SRUN_ARGS='--exclusive --time=60',
        **environ,
    )
    assert words == [
        *('--partition=gpu', '--job-name=a job', f'--gres=gpu:{per_node}'),
        *(f'--ntasks={tasks}', f'--ntasks-per-node={per_node}'),
        *('--cpus-per-task=5', '--kill-on-bad-exit=1'),
        *('--exclusive', '--time=60'),
        *('python', '-u', str(TOOLS / 'train.py'), 'config.py'),
        *('--work-dir', 'work dir', '--launcher', 'slurm', *OPTIONS),
    ]


def test_slurm_test(launch):
    words = launch('slurm_test.sh', 'gpu', 'job', 'config.py', 'weights.pth')
    assert words[7:] == [
        *('python', '-u', str(TOOLS / 'test.py'), 'config.py'),
        *('weights.pth', '--launcher', 'slurm'),
    ]


@pytest.mark.parametrize('kind', ['dist', 'slurm'])
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_too_few_words_print_the_usage(kind, tool):
    done = subprocess.run(
        [TOOLS / f'{kind}_{tool}.sh', 'config.py'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert 'usage: ' in done.stderr
    assert 'CONFIG' in done.stderr
