"""Does a change help? Trains variants on several seeds and scores them."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Trains and scores the cells (arms x labelled images per '
        'class x seeds) of a plan. A seed draws everything anew. Finished '
        'cells are noted beside the plan, as <plan>.jsonl, and not measured '
        'again; a run that was killed goes on when it is started again. '
        'Several processes, such as one for each GPU, may share a plan. Then '
        'the table goes between the marks <!-- begin <plan> --> and '
        '<!-- end <plan> --> of the README.md there, the picture beside it.',
    )
    parser.add_argument('plan', help='plan file (configs/benchmarks)')
    doing = parser.add_mutually_exclusive_group()
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
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    from mmdet_ddpm_moco.ablation.experiment import read_plan
    from mmdet_ddpm_moco.ablation.plot import draw_picture
    from mmdet_ddpm_moco.ablation.run import (
        prepare_cells,
        run_plan,
        valid_records,
    )
    from mmdet_ddpm_moco.ablation.table import table, write_between_marks

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


if __name__ == '__main__':
    main()
