"""Does a change help? Trains variants on several seeds and scores them."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Trains and scores the runs (variants x labeled images per '
        'class x seeds) of an experiment. A seed draws everything anew. Finished '
        'runs are noted beside the experiment, as <experiment>.jsonl, and not measured '
        'again; a run that was killed goes on when it is started again. '
        'Several processes, such as one for each GPU, may share an experiment. Then '
        'the table goes between the marks <!-- begin <experiment> --> and '
        '<!-- end <experiment> --> of the README.md there, the picture beside it.',
    )
    parser.add_argument(
        'experiment', help='experiment file (configs/benchmarks)'
    )
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument(
        '--only',
        nargs='+',
        default=(),
        metavar='VARIANT',
        help='measure these',
    )
    doing.add_argument(
        '--check',
        action='store_true',
        help='draw the shots, check that variants are comparable and see no test '
        'image, say what is left to measure, and stop',
    )
    doing.add_argument(
        '--table',
        action='store_true',
        help='make the table and the picture of what is measured, and stop',
    )
    doing.add_argument(
        '--against',
        metavar='VARIANT',
        help='print the table of what is measured with the differences from '
        "this variant instead of the experiment's reference, write nothing, and stop",
    )
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    from mmdet_ddpm_moco.ablation.experiment import read_experiment
    from mmdet_ddpm_moco.ablation.measure import (
        prepare_runs,
        run_experiment,
        valid_records,
    )
    from mmdet_ddpm_moco.ablation.plot import plot_results
    from mmdet_ddpm_moco.ablation.table import table, write_between_marks

    experiment = read_experiment(args.experiment)
    shown = experiment.against(args.against) if args.against else experiment
    if not (args.check or args.table or args.against):
        run_experiment(experiment, args.only)
    prepared = prepare_runs(experiment)
    found, problems = valid_records(experiment, prepared)
    print(*problems, sep='\n', end='\n' * bool(problems))
    if args.check:
        for run, _ in prepared:
            state = 'measured' if run.name in found else 'to be measured'
            print(f'{run.name:40} {state}')
        return
    records = list(found.values())
    text = table(shown, records)
    print(f'\n{text}')
    if records and not args.against:
        name = experiment.file.stem
        picture = experiment.file.with_suffix('.png')
        plot_results(experiment, records, picture)
        readme = Path(experiment.file).parent / 'README.md'
        if write_between_marks(readme, name, text):
            print(f'The table is in {readme}, the picture is {picture}.')


if __name__ == '__main__':
    main()
