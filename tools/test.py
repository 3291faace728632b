"""Tests a detector: prints AP, writes detections, or a submission.

The checkpoint is a local file. It is read as weights only, and refused if it
holds code.
"""

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mmengine.config import Config
from mmengine.dist import is_main_process

from mmdet_ddpm_moco.utils.checks import prepare_output
from mmdet_ddpm_moco.utils.cli import (
    add_launcher,
    one_line_errors,
    set_local_rank,
)
from mmdet_ddpm_moco.utils.config_options import ConfigAction
from mmdet_ddpm_moco.utils.paths import find_config


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
        '--compare',
        metavar='OTHER.json',
        help='detections of another detector on the same images: says how '
        'many defects this one finds that the other misses, and the other '
        'way round, and draws them beside --out',
    )
    parser.add_argument(
        '--submission',
        metavar='DIR',
        help='write what boards take into this folder, once it is checked: '
        'results.json (COCO), with masks also submission.csv (Severstal), '
        'submission.json with all they depend on; where the truth is known '
        'also AP and AR of each class, precision over recall and a '
        'confusion matrix',
    )
    parser.add_argument(
        '--images',
        metavar='JSON|FOLDER',
        help='images of the submission: a COCO json, whose ids are kept, or a '
        "folder (default: the config's test images)",
    )
    parser.add_argument(
        '--images-prefix',
        metavar='DIR',
        help="folder that the json's file names start from (default: that of "
        "the config's test images)",
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='lowest score in submission.csv and in the confusion matrix '
        '(default: %(default)s); results.json has all',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: detect in each image and in the flips '
        'of the training, and merge what is found; up to four times the time',
    )
    parser.add_argument(
        '--slice',
        type=int,
        metavar='PIXELS',
        help='for large images: detect in slices of this side, as they are '
        'in the file, and merge what is found',
    )
    parser.add_argument(
        '--slice-overlap',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='share of a slice that it has in common with the next, more '
        'than most defects are large (default: %(default)s)',
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
        action=ConfigAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    add_launcher(parser)
    args = parser.parse_args()
    if args.tta and args.slice:
        parser.error('--tta and --slice cannot be combined')
    if args.images and not args.submission:
        parser.error('--images needs --submission')
    if args.images_prefix and not args.images:
        parser.error('--images-prefix needs --images')
    if args.submission and args.out:
        parser.error('--submission has the detections of --out: leave it out')
    if args.compare and not args.out:
        parser.error('--compare needs --out, and not --submission')
    if (
        args.compare
        and Path(args.compare).resolve() == Path(args.out).resolve()
    ):
        parser.error('--out would overwrite the detections of --compare')
    if not 0 <= args.score_thr <= 1:
        parser.error(f'--score-thr is in [0, 1], not {args.score_thr}')
    return args


@one_line_errors
def main() -> None:
    args = parse_args()
    set_local_rank(args)
    if args.out:
        prepare_output(args.out, 'detections.json')
    from mmdet_ddpm_moco.engine.comparison import (
        check_comparable,
        compare_detections,
    )
    from mmdet_ddpm_moco.engine.options import apply_options, check_data
    from mmdet_ddpm_moco.engine.training import test
    from mmdet_ddpm_moco.engine.views import (
        flip_test_images,
        slice_test_images,
    )

    cfg = apply_options(Config.fromfile(find_config(args.config)), args)
    if not args.images:
        check_data(cfg, make=False, parts=('test',))
    if args.slice:
        slice_test_images(cfg, args.slice, args.slice_overlap)
    if args.tta:
        flip_test_images(cfg)
    if args.show_dir:
        cfg.default_hooks.visualization.update(
            draw=True, test_out_dir=args.show_dir
        )
    if args.submission:
        from mmdet_ddpm_moco.engine.submission import make_submission

        written = make_submission(
            cfg,
            args.checkpoint,
            args.submission,
            source=args.images,
            prefix=args.images_prefix,
            score_thr=args.score_thr,
            command=shlex.join(['python', *sys.argv]),
        )
        if written is not None:
            print(written)
        return
    if args.compare:
        check_comparable(cfg, args.compare)
    with TemporaryDirectory() as folder:
        _, results = test(
            cfg,
            args.checkpoint,
            Path(folder) / 'detections' if args.out else None,
        )
        # The main process alone writes them.
        if results is not None and is_main_process():
            shutil.move(results, args.out)
            print(f'detections written to {args.out}')
            if args.compare:
                picture = Path(args.out).with_suffix('.compared.png')
                found = compare_detections(
                    cfg, args.compare, args.out, picture
                )
                print(f'against {args.compare}: {found}; see {picture}')


if __name__ == '__main__':
    main()
