"""Has detectors trained on the labeled images label the unlabeled ones."""

import argparse
from dataclasses import fields
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.teacher.settings import FLIPS, TeacherOptions
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.config_options import ConfigAction, merge_options


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} Each teacher is trained on all folds of the '
        'labels but one; from its detections on that fold is learned how '
        'likely a box of a score is right. What all teachers find on the '
        'unlabeled images is merged, each box with that probability. Started '
        'again after a kill, it resumes.'
    )
    parser.add_argument(
        'config',
        help='config of a detector; its training set is the labeled images. A '
        'bank and scenes in it are left out, because they were made from the '
        'labels of all folds; contrastive weights are not',
    )
    parser.add_argument(
        '--unlabeled',
        required=True,
        metavar='JSON|FOLDER',
        help='COCO json of the unlabeled images, whose annotations are not '
        'read, or a folder of images; labeled ones among them are left out',
    )
    parser.add_argument(
        '--unlabeled-prefix',
        metavar='DIR',
        help="folder that the json's file names start from (default: that of "
        'the labeled images)',
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder to write'
    )
    parser.add_argument(
        '--folds', type=int, help='teachers (default: %(default)s)'
    )
    parser.add_argument(
        '--flips',
        nargs='+',
        choices=FLIPS,
        help='views of an image that each teacher is shown (default: the '
        'image as it is, and the flips of its training)',
    )
    parser.add_argument(
        '--seed', type=int, help='draws the folds (default: %(default)s)'
    )
    parser.add_argument(
        '--truth',
        metavar='JSON',
        help='true boxes of the unlabeled images, for the report alone',
    )
    parser.add_argument('--device', help='cuda where there is a GPU')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigAction,
        metavar='KEY=VALUE',
        help="override settings of the teachers' config, such as "
        'train_cfg.max_iters=100',
    )
    parser.set_defaults(**dict(vars(TeacherOptions()), flips=None))
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    # Not at the top: --help should not wait for torch.
    import torch

    from mmdet_ddpm_moco.utils.requirements import check_module

    check_module('ensemble_boxes')
    from mmdet_ddpm_moco.engine.image_sets import (
        labeled_images,
        unlabeled_images,
    )
    from mmdet_ddpm_moco.engine.pipelines import trained_views
    from mmdet_ddpm_moco.engine.teacher_config import teacher_config
    from mmdet_ddpm_moco.engine.teachers import make_pseudo_labels
    from mmdet_ddpm_moco.utils.paths import find_config

    given = {f.name: getattr(args, f.name) for f in fields(TeacherOptions)}
    cfg = Config.fromfile(find_config(args.config))
    merge_options(cfg, args.cfg_options)
    cfg = teacher_config(cfg)
    flips = tuple(args.flips or trained_views(cfg))
    options = TeacherOptions(**dict(given, flips=flips))
    labeled = labeled_images(cfg)
    unlabeled = unlabeled_images(
        args.unlabeled, args.unlabeled_prefix, labeled
    )
    text = make_pseudo_labels(
        cfg,
        labeled,
        unlabeled,
        args.out,
        options,
        truth=args.truth,
        device=args.device or ('cuda' if torch.cuda.is_available() else 'cpu'),
    )
    print(f'\n{text}\nWritten to {Path(args.out)}; samples.png shows some.')


if __name__ == '__main__':
    main()
