"""Writes one HTML file of a run: data, stages, curves, detections, time."""

import argparse

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} It shows what is there and says what is '
        'missing, also of a run that crashed; opened from disk, it loads '
        'nothing. tools/train.py writes it after each run with stages.'
    )
    parser.add_argument(
        'work_dir',
        help='work folder of a detector, the root of its stages, or the '
        'folder of one stage; the config in it is executed',
    )
    parser.add_argument(
        '--out',
        metavar='FILE.html',
        help='file to write (default: report.html in the work folder)',
    )
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    # Not at the top: --help should not wait for mmengine.
    from mmdet_ddpm_moco.report_page.page import write_report

    print(f'written: {write_report(args.work_dir, args.out)}')


if __name__ == '__main__':
    main()
