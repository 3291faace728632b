"""What unlabeled plates, flips and synthesized defects add: `make demo`.

Trains a detector from ImageNet on few labeled aluminium plates, which the
package draws; the same with unlabeled plates that teachers label, and a
backbone that learned the kinds of their defects; and that with synthesized
defects. Tests all three, with one view of each plate and with its flips, and
prints the AP so far after each. What is up to date is reused, what was killed
is resumed.
"""

import argparse
import re
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.engine.comparison import compare_detections
from mmdet_ddpm_moco.engine.detector_runs import detect, train_to_end
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.options import check_data
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import write_json
from mmdet_ddpm_moco.utils.paths import shipped

ROOT = Path('work_dirs/demo')
VARIANTS = ('baseline', 'scenes-kinds', 'scenes-kinds_ddpm')
FLIPS = ' flips'
# Files of detections, by what the names of their columns end with.
DETECTIONS = {'': 'detections.bbox.json', FLIPS: 'detections_tta.bbox.json'}


def config_of(variant: str) -> Path:
    return shipped('configs') / 'demo' / f'faster-rcnn_{variant}.py'


def folder_of(variant: str) -> Path:
    return Path(Config.fromfile(config_of(variant)).work_dir)


def run(variant: str) -> dict[str, float]:
    """Trains a variant and tests it, without and with flips.

    Returns:
        dict[str, float]: AP and AP50 in percent, by name of a column.
    """
    config = config_of(variant)
    check_data(Config.fromfile(config), make=True)
    cfg = fill_hooks(Config.fromfile(config))
    fresh = all(stage.fresh() for stage in stages_of(cfg))
    checkpoint = train_to_end(config, reuse=fresh)
    row = {}
    for view, name in DETECTIONS.items():
        detections = folder_of(variant) / name
        detect(config, checkpoint, detections, tta=view == FLIPS)
        found = dict(
            re.findall(
                r'coco/bbox_(mAP(?:_50)?): ([\d.]+)',
                detections.with_name('test.log').read_text(),
            )
        )
        for metric, key in (('AP', 'mAP'), ('AP50', 'mAP_50')):
            row[f'{metric}{view}'] = round(100 * float(found[key]), 1)
    return row


def print_table(results: dict[str, dict[str, float]]) -> None:
    columns = list(results[VARIANTS[0]])
    print(f'\n{"":17}' + ''.join(f'{name:>12}' for name in columns))
    for name, row in results.items():
        cells = ''.join(f'{row[column]:12.1f}' for column in columns)
        print(f'{name:17}{cells}')
    print('(120 test plates, percent; flips: tested with --tta)\n')


def draw_gains(variant: str) -> Path:
    """Draws what a variant with flips finds that the baseline misses.

    And the other way round.
    """
    before = folder_of(VARIANTS[0]) / DETECTIONS['']
    after = folder_of(variant) / DETECTIONS[FLIPS]
    picture = folder_of(variant) / 'gains.png'
    cfg = Config.fromfile(config_of(variant))
    compare_detections(cfg, before, after, picture)
    return picture


@one_line_errors
def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    results: dict[str, dict[str, float]] = {}
    for name in VARIANTS:
        print(f'\n== {name}')
        results[name] = run(name)
        write_json(ROOT / 'results.json', results, indent=2)
        print_table(results)
        if name != VARIANTS[0]:
            print(
                f'Defects that {name} with flips finds and the baseline with '
                f'one view misses, and the other way round: '
                f'{draw_gains(name)}. A report of the run: '
                f'{folder_of(name) / "report.html"}.'
            )
    print(f'\nWritten to {ROOT / "results.json"}.')


if __name__ == '__main__':
    main()
