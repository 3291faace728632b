"""Compares contrastive backbones by a k-NN classification of defects."""

import argparse

from mmdet_ddpm_moco.utils.cli import one_line_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} For each: the balanced accuracy on labeled '
        'windows, with neighbors from other images only, near duplicates '
        '(group in the annotations of tools/prepare_dataset.py) being one.'
    )
    parser.add_argument(
        'config', help='config of contrastive training (configs/mocov2)'
    )
    parser.add_argument(
        'backbones',
        nargs='*',
        metavar='FILE',
        help='backbone.pth of tools/train.py, or other weights that fit; '
        'without any, only the initial weights of the config are evaluated',
    )
    parser.add_argument(
        '--ann',
        required=True,
        metavar='JSON',
        help='COCO json of labeled images, preferably held out from training',
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
        help='windows of defect-free areas per image, as a further class '
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

    # MMEngine logs how it initializes each of some hundred parameters.
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
    background = ' with background' if args.background else ''
    print(
        f'k-NN accuracy of {len(probe.windows)} windows of {probe.classes} '
        f'classes{background}; chance is {1 / probe.classes:.1%}'
    )
    for name, accuracy in found.items():
        print(f'{accuracy:7.1%}  {name}')


if __name__ == '__main__':
    main()
