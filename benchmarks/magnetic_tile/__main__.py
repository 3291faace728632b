"""What scenes and a bank are worth, cross-validated over magnetic tiles."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors

HERE = Path(__file__).parent


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.magnetic_tile',
        description='Tiles are drawn into thirds; in each of three folds one '
        'third is labeled, one unlabeled, one tested. Trains all variants in '
        'all folds, scores the detections of the folds together, and writes '
        'the tables into README.md. Finished runs are recorded in results/ '
        'and not repeated; a run that was killed is resumed.',
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=Path('data/magnetic-tile'),
        help='converted with tools/prepare_dataset.py (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0],
        help='each redraws the thirds (default: 0)',
    )
    parser.add_argument(
        '--folds',
        type=int,
        nargs='+',
        default=[0, 1, 2],
        choices=[0, 1, 2],
        help='train these folds only: several processes share the work',
    )
    parser.add_argument(
        '--only', nargs='+', default=(), help='measure these variants only'
    )
    parser.add_argument(
        '--table',
        action='store_true',
        help='write the tables of the finished runs, and stop',
    )
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    from mmdet_ddpm_moco.ablation.measure import run_experiment
    from mmdet_ddpm_moco.ablation.table import write_between_marks

    from .experiments import fold_experiments, pool
    from .table import table, table_of_folds

    for seed in [] if args.table else args.seeds:
        folds = fold_experiments(HERE, args.data, seed)
        for fold in args.folds:
            run_experiment(folds[fold], args.only)
        pool(HERE, args.data, folds)
    text = f'{table(HERE)}\nBy fold:\n\n{table_of_folds(HERE)}'
    write_between_marks(HERE / 'README.md', 'magnetic_tile', text)
    print(f'\n{text}')


if __name__ == '__main__':
    main()
