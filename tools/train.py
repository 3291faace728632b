"""Trains a detector, generator (configs/ddpm) or backbone (configs/mocov2).

For a detector whose config has `stages`, what it reads and is missing or stale
is made first: generator, defect bank, contrastive backbone, scenes. Such a run
leaves report.html in its work folder, also when it fails.

Local files of --resume, of load_from and of Pretrained are read as weights
only, and refused if they hold code. A URL (https://...) in load_from is left
to MMEngine's loader, which may run code in it: give one that you trust.
"""

import argparse

from mmengine.config import Config

from mmdet_ddpm_moco.utils.cli import (
    add_launcher,
    one_line_errors,
    set_local_rank,
)
from mmdet_ddpm_moco.utils.config_options import ConfigAction
from mmdet_ddpm_moco.utils.paths import find_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help="folder for logs and weights (default: the config's work_dir, "
        'else work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the batch size over all GPUs',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint; without a name from the newest in the '
        'work folder',
    )
    parser.add_argument(
        '--no-prepare',
        action='store_true',
        help='do not make what is missing; print the commands that do',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigAction,
        metavar='KEY=VALUE',
        help='override settings of the config, such as '
        'train_cfg.max_iters=100',
    )
    add_launcher(parser)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    set_local_rank(args)
    # Not at the top: --help should not wait for torch.
    from mmdet.utils import setup_cache_size_limit_of_dynamo

    from mmdet_ddpm_moco.engine.options import apply_options, check_data
    from mmdet_ddpm_moco.engine.safe_loading import check_checkpoint
    from mmdet_ddpm_moco.engine.stages import check_prepared, prepare
    from mmdet_ddpm_moco.engine.training import train
    from mmdet_ddpm_moco.report_page.at_end import reported

    setup_cache_size_limit_of_dynamo()
    cfg = apply_options(Config.fromfile(find_config(args.config)), args)
    resume = args.resume == 'auto' and cfg.resume
    # Before the stages, which may take days. A run that goes on no longer
    # reads what it started from.
    if not resume:
        check_checkpoint(cfg)
    check_data(cfg, make=not args.no_prepare)
    with reported(cfg.work_dir):
        if args.no_prepare:
            check_prepared(cfg)
        else:
            prepare(cfg, args.launcher)
        train(cfg, resume=resume)


if __name__ == '__main__':
    main()
