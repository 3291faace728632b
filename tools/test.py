"""Tests a detector: prints AP and writes detections as COCO results.

The checkpoint is a local file. It is read as weights only, and refused if it
holds code.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process

from mmdet_ddpm_moco.utils.cli import (
    add_launcher,
    one_line_errors,
    set_local_rank,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights of the detector')
    parser.add_argument(
        '--work-dir',
        help="folder for logs (default: the config's work_dir, "
        'else work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='write the detections here in the COCO results format',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='draw detections beside the ground truth, in images below '
        '<work dir>/<time>/DIR',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    add_launcher(parser)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    set_local_rank(args)
    from mmdet_ddpm_moco.engine.options import apply_options, check_data
    from mmdet_ddpm_moco.engine.training import test

    cfg = apply_options(Config.fromfile(args.config), args)
    check_data(cfg, make=False, parts=('test',))
    if args.show_dir:
        cfg.default_hooks.visualization.update(
            draw=True, test_out_dir=args.show_dir
        )
    with TemporaryDirectory() as folder:
        _, results = test(
            cfg,
            args.checkpoint,
            Path(folder) / 'detections' if args.out else None,
        )
        # The main process alone writes them.
        if results is not None and is_main_process():
            Path(args.out).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(results, args.out)
            print(f'detections written to {args.out}')


if __name__ == '__main__':
    main()
