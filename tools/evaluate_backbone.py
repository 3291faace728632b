"""Compares contrastive backbones by the kinds of defect they tell apart."""

import argparse

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} For each: the balanced accuracy of a k-NN '
        'classifier of labeled windows, neighbors from other images alone.'
    )
    parser.add_argument(
        'config', help='config of contrastive training (configs/moco)'
    )
    parser.add_argument(
        'backbones',
        nargs='*',
        metavar='FILE',
        help='backbone.pth of tools/train.py, or other weights that fit; '
        'without any only what the config starts from is asked',
    )
    parser.add_argument(
        '--ann',
        required=True,
        metavar='JSON',
        help='COCO json of labeled images, best such as training has not seen',
    )
    parser.add_argument(
        '--prefix',
        required=True,
        metavar='DIR',
        help='folder that its file names start from',
    )
    parser.add_argument(
        '--background',
        type=int,
        default=1,
        help='windows of free ground of each image, a kind of their own '
        '(default: 1)',
    )
    parser.add_argument(
        '-k', type=int, default=10, help='neighbors that vote (default: 10)'
    )
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    from mmengine.config import Config
    from mmengine.logging import MMLogger

    from mmdet_ddpm_moco.evaluation.knn_probe import backbone_accuracies
    from mmdet_ddpm_moco.utils.paths import find_config

    # MMEngine tells how it initializes each of some hundred parameters.
    MMLogger.get_current_instance().setLevel('WARNING')
    labeled = dict(
        ann_file=args.ann, img_prefix=args.prefix, background=args.background
    )
    found, probe = backbone_accuracies(
        Config.fromfile(find_config(args.config)),
        args.backbones,
        labeled,
        args.k,
    )
    kinds = f'{probe.classes} kinds' + ' with background' * bool(
        args.background
    )
    print(
        f'k-NN accuracy of {len(probe.windows)} windows of {kinds}; chance '
        f'is {1 / probe.classes:.1%}'
    )
    for name, accuracy in found.items():
        print(f'{accuracy:7.1%}  {name}')


if __name__ == '__main__':
    main()
