"""Has detectors trained on the labeled images label the unlabeled ones."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} Each teacher is trained on all folds of the '
        'labels but one; its detections on that fold set the scores from '
        'which on boxes of each class are kept or ignored. What all teachers '
        'find on the unlabeled images is merged. Started again after a kill, '
        'it resumes.'
    )
    parser.add_argument(
        'config',
        help='config of a detector; its training set is the labeled images',
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
        '--folds', type=int, default=3, help='teachers (default: 3)'
    )
    parser.add_argument(
        '--flips',
        nargs='+',
        default=['none', 'horizontal', 'vertical', 'diagonal'],
        choices=['none', 'horizontal', 'vertical', 'diagonal'],
        help='views of an image that each teacher is shown (default: all)',
    )
    parser.add_argument(
        '--precision',
        type=float,
        default=0.7,
        help='share of the kept boxes of each class that is to be right '
        '(default: 0.7)',
    )
    parser.add_argument(
        '--low-precision',
        type=float,
        default=0.2,
        help='a box that is less likely right is background; between both it '
        'is ignored (default: 0.2)',
    )
    parser.add_argument(
        '--min-agreement',
        type=float,
        default=0.0,
        help='a box is ignored if the teachers agree on its place by less '
        'than this mean IoU (default: 0)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='draws the folds (default: 0)'
    )
    parser.add_argument(
        '--truth',
        metavar='JSON',
        help='true boxes of the unlabeled images, for the report alone',
    )
    parser.add_argument('--device', help='cuda where there is a GPU')
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    import torch
    from mmengine.config import Config

    from mmdet_ddpm_moco.utils.requirements import check_module

    check_module('ensemble_boxes')
    from mmdet_ddpm_moco.engine.image_sets import (
        labeled_images,
        unlabeled_images,
    )
    from mmdet_ddpm_moco.engine.teachers import make_pseudo_labels
    from mmdet_ddpm_moco.teacher.settings import TeacherOptions
    from mmdet_ddpm_moco.utils.paths import find_config

    options = TeacherOptions(
        folds=args.folds,
        flips=tuple(args.flips),
        precision=args.precision,
        low_precision=args.low_precision,
        min_agreement=args.min_agreement,
        seed=args.seed,
    )
    cfg = Config.fromfile(find_config(args.config))
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
