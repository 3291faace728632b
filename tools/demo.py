"""What unlabeled plates and synthesized defects add: `make demo` runs it.

Trains a detector from ImageNet on few labeled aluminium plates, which the
package draws; the same with unlabeled plates that teachers label; and that
with synthesized defects. Tests all three and prints their AP. What is up to
date is reused, what was killed is resumed. Takes about 14 minutes on two
cores.
"""

import argparse
import re
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.engine.comparison import compare_detections
from mmdet_ddpm_moco.engine.detector_runs import detect, train_to_end
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.options import check_data
from mmdet_ddpm_moco.engine.stages import stages_of
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import write_json
from mmdet_ddpm_moco.utils.paths import shipped

ROOT = Path('work_dirs/demo')
VARIANTS = ('baseline', 'scenes', 'scenes_ddpm')
DETECTIONS = 'detections.bbox.json'


def config_of(variant: str) -> Path:
    return shipped('configs') / 'demo' / f'faster-rcnn_{variant}.py'


def folder_of(variant: str) -> Path:
    return Path(Config.fromfile(config_of(variant)).work_dir)


def run(variant: str) -> dict[str, float]:
    """Trains and tests a variant; returns AP and AP50 in percent."""
    config = config_of(variant)
    check_data(Config.fromfile(config), make=True)
    detections = folder_of(variant) / DETECTIONS
    cfg = fill_hooks(Config.fromfile(config))
    fresh = all(stage.fresh() for stage in stages_of(cfg))
    detect(config, train_to_end(config, reuse=fresh), detections)
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


def draw_gains(variant: str) -> Path:
    """Draws what a variant finds that the baseline misses, and vice versa."""
    before, after = (
        folder_of(name) / DETECTIONS for name in (VARIANTS[0], variant)
    )
    picture = ROOT / 'gains.png'
    cfg = Config.fromfile(config_of(variant))
    compare_detections(cfg, before, after, picture)
    return picture


@one_line_errors
def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    results = {}
    for name in VARIANTS:
        print(f'\n== {name}')
        results[name] = run(name)
    write_json(ROOT / 'results.json', results, indent=2)
    print(f'\n{"":12}{"AP":>6}{"AP50":>6}   (120 test plates, percent)')
    for name, row in results.items():
        print(f'{name:12}{row["AP"]:6.1f}{row["AP50"]:6.1f}')
    print(
        f'\nWritten to {ROOT / "results.json"}. Defects that {name} finds and '
        f'the baseline misses, and the other way round: {draw_gains(name)}. '
        f'A report of the run: {folder_of(name) / "report.html"}.'
    )


if __name__ == '__main__':
    main()
