"""The whole method on built-in data, in minutes: what `make demo` runs.

Trains a baseline detector and the same detector with DDPM-MoCo on aluminium
plates that are drawn by the package, tests both and prints their AP. What is
up to date is reused, what was killed is resumed.
"""

import argparse
import re
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.engine.detector_runs import detect, train_to_end
from mmdet_ddpm_moco.engine.options import check_data
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import write_json
from mmdet_ddpm_moco.utils.paths import shipped

ROOT = Path('work_dirs/demo')
VARIANTS = dict(
    baseline='faster-rcnn_baseline.py', ddpm_moco='faster-rcnn_ddpm-moco.py'
)


def run(config: Path) -> dict[str, float]:
    """Trains and tests a variant; returns AP and AP50 in percent."""
    cfg = Config.fromfile(config)
    check_data(cfg, make=True)
    detections = Path(cfg.work_dir) / 'detections.bbox.json'
    detect(config, train_to_end(config), detections)
    found = dict(
        re.findall(
            r'coco/bbox_(mAP(?:_50)?): ([\d.]+)',
            detections.with_name('test.log').read_text(),
        )
    )
    return dict(
        AP=round(100 * float(found['mAP']), 1),
        AP50=round(100 * float(found['mAP_50']), 1),
    )


@one_line_errors
def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    results = {}
    for name, file in VARIANTS.items():
        print(f'\n== {name}')
        results[name] = run(shipped('configs') / 'demo' / file)
    write_json(ROOT / 'results.json', results, indent=2)
    print(f'\n{"":12}{"AP":>6}{"AP50":>6}   (120 test plates, percent)')
    for name, row in results.items():
        print(f'{name:12}{row["AP"]:6.1f}{row["AP50"]:6.1f}')
    print(
        f'\nWritten to {ROOT / "results.json"}; the detections are in '
        f'{ROOT}/*/detections.bbox.json, a report of the run in '
        f'{ROOT / name / "report.html"}.'
    )


if __name__ == '__main__':
    main()
