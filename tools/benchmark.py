"""Measures what a change is worth."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='See also: %(prog)s detection --help'
    )
    commands = parser.add_subparsers(dest='command', required=True)
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
    detection.add_argument(
        '--only', nargs='+', default=(), metavar='ARM', help='measure these'
    )
    detection.add_argument(
        '--check',
        action='store_true',
        help='draw the shots, check that arms are comparable and see no test '
        'image, say what is left to measure, and stop',
    )
    detection.add_argument(
        '--table',
        action='store_true',
        help='make the table and the picture of what is measured, and stop',
    )
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    from mmdet_ddpm_moco.benchmark.picture import draw_picture
    from mmdet_ddpm_moco.benchmark.plan import read_plan
    from mmdet_ddpm_moco.benchmark.report import table, write_between_marks
    from mmdet_ddpm_moco.benchmark.run import (
        prepare_cells,
        run_plan,
        valid_records,
    )

    plan = read_plan(args.plan)
    if not (args.check or args.table):
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
    text = table(plan, records)
    print(f'\n{text}')
    if records:
        name = plan.file.stem
        picture = plan.file.with_suffix('.png')
        draw_picture(plan, records, picture)
        readme = Path(plan.file).parent / 'README.md'
        if write_between_marks(readme, name, text):
            print(f'The table is in {readme}, the picture is {picture}.')


if __name__ == '__main__':
    main()
