"""Does a change help? Trains variants on several seeds and scores them."""

import argparse

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Trains and scores the runs (variants x labeled images '
        'per class x seeds) of an experiment. A seed redraws everything. '
        'Finished runs are recorded in results/<experiment>.jsonl beside the '
        'experiment and not repeated; a run that was killed is resumed. '
        'Several processes, such as one for each GPU, may share an '
        'experiment. At the end the table is written between the marks '
        '<!-- begin <experiment> --> and <!-- end <experiment> --> of the '
        'README.md beside the experiment, and a plot is saved in results/.',
    )
    parser.add_argument(
        'experiment', help='experiment file (benchmarks/neu_det/*.py)'
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        '--only',
        nargs='+',
        default=(),
        metavar='VARIANT',
        help='measure these variants only',
    )
    mode.add_argument(
        '--check',
        action='store_true',
        help='draw the shots, check that variants are comparable and do not '
        'train on test images, list the runs, and stop',
    )
    mode.add_argument(
        '--table',
        action='store_true',
        help='write the table and the plot of the finished runs, and stop',
    )
    mode.add_argument(
        '--against',
        metavar='VARIANT',
        help='print the table with differences from this variant instead of '
        "the experiment's reference, write nothing, and stop",
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
            state = 'finished' if run.name in found else 'to be measured'
            print(f'{run.name:40} {state}')
        return
    records = list(found.values())
    text = table(shown, records)
    print(f'\n{text}')
    if records and not args.against:
        plot = experiment.results.with_suffix('.png')
        plot_results(experiment, records, plot)
        readme = experiment.file.with_name('README.md')
        if write_between_marks(readme, experiment.file.stem, text):
            print(f'The table is in {readme}, the plot is {plot}.')


if __name__ == '__main__':
    main()
