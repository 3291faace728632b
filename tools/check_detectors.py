"""Tries the one line of DDPMMoCoHook in detectors of MMDetection.

Each config is made small (drawn images of 96 pixels, two at a time, a few
steps) and trained with a bank and with weights for its backbone. It is seen
whether both arrive: values of weights are compared, a label that only the bank
has must be in the batches, boxes must lie inside the images, losses must be
numbers. Each config is a process of its own; what was tried stays tried.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TIMEOUT = 600  # seconds


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'configs',
        nargs='*',
        help='configs, as files or as paths below those of MMDetection '
        '(default: one per family, those of docs/detectors.md)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/check_detectors'),
        metavar='DIR',
        help='folder for results and runs (default: %(default)s)',
    )
    parser.add_argument(
        '--table',
        action='store_true',
        help='write the table of docs/detectors.md from the results, and stop',
    )
    parser.add_argument('--one', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


def stock_folder() -> Path:
    """The configs that MMDetection ships."""
    import mmdet

    package = Path(mmdet.__file__).parent
    shipped = package / '.mim/configs'
    return shipped if shipped.is_dir() else package.parent / 'configs'


def try_one(config: Path, out: Path) -> None:
    """Tries a config in this process and prints a line of json."""
    from benchmarks.detectors.check import check

    print('\n' + json.dumps(check(config, out / 'data', out / 'runs')))


def try_apart(config: Path, out: Path) -> dict:
    """Tries a config in a process of its own."""
    command = [sys.executable, __file__, str(config), '--one', '--out', out]
    log = out / 'logs' / f'{config.stem}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('wb') as stderr:
        try:
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            why = f'took longer than {TIMEOUT} seconds'
            return dict(outcome='error', why=why, notes=[])
    text = done.stdout.decode(errors='replace')
    with log.open('a') as stdout:
        stdout.write(text)
    try:
        return json.loads(text.splitlines()[-1])
    except (IndexError, ValueError):
        why = f'the process ended with {done.returncode}; see {log.name}'
        return dict(outcome='error', why=why, notes=[])


def main() -> int:
    args = parse_args()
    if args.one:
        try_one(Path(args.configs[0]), args.out)
        return 0
    from benchmarks.detectors.data import write_data
    from benchmarks.detectors.stock import STOCK
    from benchmarks.detectors.table import write_table

    results = args.out / 'results.jsonl'
    rows = {}
    if results.is_file():
        lines = results.read_text().splitlines()
        rows = {row['config']: row for row in map(json.loads, lines)}
    if args.table:
        page = ROOT / 'docs/detectors.md'
        if not page.is_file():
            msg = f'error: no {page}; --table needs a source tree'
            raise SystemExit(msg)
        write_table(rows, page)
        return 0
    if not (args.out / 'data').is_dir():
        write_data(args.out / 'data')
    folder = stock_folder()
    wrong = 0
    bar = tqdm(args.configs or [path for _, path in STOCK], unit='config')
    for name in bar:
        row = rows.get(name)
        if row is None or name in args.configs:
            path = Path(name) if Path(name).is_file() else folder / name
            if not path.is_file():
                msg = f'error: no config {name}, nor one of MMDetection'
                raise SystemExit(msg)
            row = dict(config=name, **try_apart(path, args.out))
            with results.open('a') as file:
                file.write(json.dumps(row) + '\n')
        wrong += row['outcome'] == 'error'
        bar.write(f'{name}: {row["outcome"]} {row["why"]}')
    return int(wrong > 0)


if __name__ == '__main__':
    sys.exit(main())
