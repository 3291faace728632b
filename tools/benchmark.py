"""Measures what a change is worth."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import DictAction

from mmdet_ddpm_moco.atomic_write import atomic_write_bytes
from mmdet_ddpm_moco.benchmark.speed_table import (
    PARTS,
    PRETRAIN_PARTS,
    Row,
    speed_json,
    speed_table,
)
from mmdet_ddpm_moco.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='See also: %(prog)s detection --help, '
        '%(prog)s synthesis --help, %(prog)s pretrain --help',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    add_detection(commands)
    add_synthesis(commands)
    add_pretrain(commands)
    return parser.parse_args()


def add_detection(commands: argparse._SubParsersAction) -> None:
    detection = commands.add_parser(
        'detection',
        help='what arms, each an ordinary detector config, do to AP',
        description='Trains and scores the cells (arms x labelled images per '
        'class x seeds) of a plan. A seed draws everything anew. Finished '
        'cells are noted beside the plan, as <plan>.jsonl, and not measured '
        'again; a run that was killed goes on when it is started again. '
        'Several processes, such as one for each GPU, may share a plan. Then '
        'the table goes between the marks <!-- begin <plan> --> and '
        '<!-- end <plan> --> of the README.md there, the picture beside it.',
    )
    detection.add_argument('plan', help='plan file (configs/benchmarks)')
    doing = detection.add_mutually_exclusive_group()
    doing.add_argument(
        '--only', nargs='+', default=(), metavar='ARM', help='measure these'
    )
    doing.add_argument(
        '--check',
        action='store_true',
        help='draw the shots, check that arms are comparable and see no test '
        'image, say what is left to measure, and stop',
    )
    doing.add_argument(
        '--table',
        action='store_true',
        help='make the table and the picture of what is measured, and stop',
    )
    doing.add_argument(
        '--against',
        metavar='ARM',
        help='print the table of what is measured with the differences from '
        "this arm instead of the plan's reference, write nothing, and stop",
    )
    detection.set_defaults(run=run_detection)


def add_synthesis(commands: argparse._SubParsersAction) -> None:
    synthesis = commands.add_parser(
        'synthesis',
        help='how fast windows are synthesised, and banks read',
        description='Compares, on this machine: our sampling with all steps '
        'of plain DDPM; the U-Net in other number formats and layouts; two '
        'processes with one. Then it opens made-up banks, up to a million '
        'windows large. OMP_NUM_THREADS sets the threads of all but the '
        'processes. On a CPU the plain DDPM takes minutes.',
    )
    synthesis.add_argument(
        'config',
        help='config of the generator (configs/ddpm): names the training '
        'images',
    )
    synthesis.add_argument(
        '--generator',
        required=True,
        metavar='DIR',
        help='folder of the trained generator: <work dir of its training>/'
        'generator',
    )
    synthesis.add_argument(
        '--only',
        nargs='+',
        default=PARTS,
        choices=PARTS,
        help='measure these parts',
    )
    synthesis.add_argument(
        '--batch', type=int, default=4, help='windows at once (default: 4)'
    )
    synthesis.add_argument(
        '--windows',
        type=int,
        default=32,
        help='windows to put through the quality gates (default: 32)',
    )
    synthesis.add_argument(
        '--repeats',
        type=int,
        default=5,
        help='runs that a median is taken of (default: 5)',
    )
    synthesis.add_argument(
        '--compile',
        action='store_true',
        help='also try torch.compile, which takes minutes',
    )
    synthesis.add_argument('--device', help='cuda where there is a GPU')
    synthesis.add_argument('--out', metavar='FILE', help='json to write')
    synthesis.set_defaults(run=run_synthesis)


def add_pretrain(commands: argparse._SubParsersAction) -> None:
    pretrain = commands.add_parser(
        'pretrain',
        help='how fast contrastive training runs',
        description='Compares, on this machine: two views of each training '
        "image by our TwoViews with mmpretrain's transforms, of the images as "
        'they are and enlarged; a training step with those of '
        "mmpretrain's and, where it is installed, lightly's MoCo; the step "
        'in other number formats and layouts. Each in turns, in one run; on a '
        'CPU its own time counts, so that other work matters little. '
        'OMP_NUM_THREADS sets the threads of the steps; views are made on '
        'one core.',
    )
    pretrain.add_argument(
        'config', help='config of the contrastive training (configs/moco)'
    )
    pretrain.add_argument(
        '--only',
        nargs='+',
        default=PRETRAIN_PARTS,
        choices=PRETRAIN_PARTS,
        help='measure these parts',
    )
    pretrain.add_argument(
        '--images',
        type=int,
        default=64,
        help='training images to make views of (default: 64)',
    )
    pretrain.add_argument(
        '--batch',
        type=int,
        help="samples of a training step (default: the config's)",
    )
    pretrain.add_argument(
        '--repeats',
        type=int,
        default=5,
        help='runs that a median is taken of (default: 5)',
    )
    pretrain.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings of the config to change',
    )
    pretrain.add_argument('--device', help='cuda where there is a GPU')
    pretrain.add_argument('--out', metavar='FILE', help='json to write')
    pretrain.set_defaults(run=run_pretrain)


def run_detection(args: argparse.Namespace) -> None:
    from mmdet_ddpm_moco.benchmark.picture import draw_picture
    from mmdet_ddpm_moco.benchmark.plan import read_plan
    from mmdet_ddpm_moco.benchmark.report import table, write_between_marks
    from mmdet_ddpm_moco.benchmark.run import (
        prepare_cells,
        run_plan,
        valid_records,
    )

    plan = read_plan(args.plan)
    shown = plan.against(args.against) if args.against else plan
    if not (args.check or args.table or args.against):
        run_plan(plan, args.only)
    prepared = prepare_cells(plan)
    found, problems = valid_records(plan, prepared)
    print(*problems, sep='\n', end='\n' * bool(problems))
    if args.check:
        for cell, _ in prepared:
            state = 'measured' if cell.name in found else 'to be measured'
            print(f'{cell.name:40} {state}')
        return
    records = list(found.values())
    text = table(shown, records)
    print(f'\n{text}')
    if records and not args.against:
        name = plan.file.stem
        picture = plan.file.with_suffix('.png')
        draw_picture(plan, records, picture)
        readme = Path(plan.file).parent / 'README.md'
        if write_between_marks(readme, name, text):
            print(f'The table is in {readme}, the picture is {picture}.')


def run_synthesis(args: argparse.Namespace) -> None:
    # Before torch: its profiler complains of every GPU that is not there.
    os.environ.setdefault('KINETO_LOG_LEVEL', '6')
    from mmengine.config import Config

    from mmdet_ddpm_moco.stack import check_module

    check_module('diffusers')
    from mmdet_ddpm_moco.benchmark.synthesis_speed import measure_synthesis
    from mmdet_ddpm_moco.paths import find_config
    from mmdet_ddpm_moco.synthesis.generator_config import training_images

    images = training_images(Config.fromfile(find_config(args.config)))
    rows, setting = measure_synthesis(
        args.generator,
        images['ann_file'],
        images['img_prefix'],
        parts=args.only,
        batch=args.batch,
        windows=args.windows,
        repeats=args.repeats,
        compiled=args.compile,
        device=args.device,
    )
    print_speeds(rows, setting, args.out)


def run_pretrain(args: argparse.Namespace) -> None:
    from mmengine.config import Config

    from mmdet_ddpm_moco.stack import check_module

    check_module('mmpretrain')
    from mmdet_ddpm_moco.benchmark.pretrain_speed import measure_pretrain
    from mmdet_ddpm_moco.paths import find_config

    cfg = Config.fromfile(find_config(args.config))
    cfg.merge_from_dict(args.cfg_options or {})
    rows, setting = measure_pretrain(
        cfg,
        parts=args.only,
        images=args.images,
        batch=args.batch,
        repeats=args.repeats,
        device=args.device,
    )
    print_speeds(rows, setting, args.out)


def print_speeds(
    rows: Sequence[Row], setting: Mapping, out: str | None
) -> None:
    """Prints the table; writes the json if a file is named."""
    print(speed_table(rows, setting))
    if out:
        text = json.dumps(speed_json(rows, setting), indent=1) + '\n'
        atomic_write_bytes(out, text.encode())


@one_line_errors
def main() -> None:
    args = parse_args()
    args.run(args)


if __name__ == '__main__':
    main()
