"""The main job on built-in data: what `make demo` runs.

Trains a plain detector and the same detector with DDPM-MoCo on aluminium
plates that are drawn on the spot, tests both, and prints their AP. What is
up to date is not done again; what was killed goes on.
"""

import json
import re
import time
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.engine.training import can_resume, is_finished
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes
from mmdet_ddpm_moco.utils.paths import shipped
from mmdet_ddpm_moco.utils.run_logged import run_logged

ROOT = Path('work_dirs/demo')
ARMS = dict(
    plain='faster-rcnn_baseline.py', ddpm_moco='faster-rcnn_ddpm-moco.py'
)


def train(name: str, config: Path) -> float:
    """Trains an arm unless it is up to date; returns the seconds taken."""
    cfg = Config.fromfile(config)
    began = time.time()
    command = ['python', str(shipped('tools') / 'train.py'), str(config)]
    try:
        if is_finished(cfg):
            print(f'{cfg.work_dir} is up to date, reused')
            return 0.0
        command += ['--resume'] * can_resume(cfg)
    except FileNotFoundError:
        pass  # the data set is not there yet; training makes it
    run_logged(command, ROOT / 'logs' / f'train_{name}.log')
    return time.time() - began


def test(name: str, config: Path) -> dict[str, float]:
    """Tests an arm; returns AP and AP50 in percent."""
    work_dir = Path(Config.fromfile(config).work_dir)
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    log = ROOT / 'logs' / f'test_{name}.log'
    run_logged(
        [
            'python',
            str(shipped('tools') / 'test.py'),
            str(config),
            checkpoint,
            '--out',
            str(ROOT / f'{name}.bbox.json'),
        ],
        log,
    )
    found = dict(
        re.findall(r'coco/bbox_(mAP(?:_50)?): ([\d.]+)', log.read_text())
    )
    return dict(
        AP=round(100 * float(found['mAP']), 1),
        AP50=round(100 * float(found['mAP_50']), 1),
    )


@one_line_errors
def main() -> None:
    results = {}
    for name, file in ARMS.items():
        config = shipped('configs') / 'demo' / file
        print(f'\n== {name}')
        train(name, config)
        results[name] = test(name, config)
    atomic_write_bytes(
        ROOT / 'results.json', (json.dumps(results, indent=2) + '\n').encode()
    )
    print(f'\n{"":12}{"AP":>6}{"AP50":>6}   (120 test plates, percent)')
    for name, row in results.items():
        print(f'{name:12}{row["AP"]:6.1f}{row["AP50"]:6.1f}')
    print(f'\nWritten to {ROOT / "results.json"}; detections are beside it.')


if __name__ == '__main__':
    main()
