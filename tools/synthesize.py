"""Synthesizes a defect bank with a trained generator."""

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from mmdet_ddpm_moco.synthesis.settings import (
    SAMPLERS,
    BankOptions,
    training_images,
)
from mmdet_ddpm_moco.utils.cli import (
    add_launcher,
    one_line_errors,
    set_local_rank,
)

if TYPE_CHECKING:
    from mmdet_ddpm_moco.synthesis.generator import Generator
    from mmdet_ddpm_moco.synthesis.judge_gate import JudgeGate


def share(text: str) -> tuple[str, float]:
    name, _, value = text.partition('=')
    return name, float(value)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f'{__doc__} Run the same command again to resume an '
        'unfinished bank. On a CPU as many blocks of windows are synthesized '
        'at once as OMP_NUM_THREADS says; with a launcher all ranks share '
        'the work. The bank depends on neither.',
        # Without its --, torchrun takes --num for an option of its own.
        epilog='With two GPUs: torchrun --nproc-per-node 2 -- '
        'tools/synthesize.py CONFIG ... --launcher pytorch',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        'config',
        help='config of the generator (configs/ddpm): names the '
        'training images, which become the hosts',
    )
    parser.add_argument(
        '--generator',
        required=True,
        metavar='DIR',
        help='folder of the trained generator: <work dir of its training>/'
        'generator',
    )
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='folder of the bank'
    )
    parser.add_argument(
        '--num', required=True, type=int, help='windows to keep'
    )
    parser.add_argument(
        '--sampler',
        choices=SAMPLERS,
        help='sampler; ddim and ddpm need more steps than the other two',
    )
    parser.add_argument(
        '--num-inference-steps',
        type=int,
        help='denoising steps from pure noise',
    )
    parser.add_argument(
        '--guidance-scale',
        type=float,
        help='weight of the class; other than 1 it needs a generator trained '
        'with class_dropout, and twice the time',
    )
    parser.add_argument(
        '--strength',
        type=float,
        help='how far variations of real defects depart from their source, '
        'in (0, 1]',
    )
    parser.add_argument(
        '--max-window',
        type=int,
        help='side in pixels of the largest square window; no window has more '
        'pixels, and of a larger defect a part is synthesized',
    )
    parser.add_argument(
        '--mix',
        nargs='+',
        type=share,
        metavar='KIND=SHARE',
        help='shares of defects in defect-free areas (add), variations of '
        'real defects in their place (replaces) and windows without defect '
        '(null)',
    )
    parser.add_argument(
        '--per-class',
        nargs='+',
        type=share,
        metavar='CLASS=WEIGHT',
        help='weights of classes, such as scratches=3 for three times as many '
        'of them as of another; 0 for none, and 1 for those not named',
    )
    parser.add_argument(
        '--missed',
        type=float,
        metavar='SHARE',
        help='share of windows that follow what detectors of other folds miss '
        'of the labeled defects; needs a generator that learned from scenes '
        '(stages.generator.scenes)',
    )
    parser.add_argument(
        '--judge',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a detector trained on the same labeled images, which must find '
        'each defect',
    )
    parser.add_argument(
        '--min-iou',
        type=float,
        default=0.5,
        help='lowest overlap of a defect that the judge found',
    )
    parser.add_argument('--seed', type=int, help='seed')
    parser.add_argument('--device', help='cuda where there is a GPU')
    add_launcher(parser)
    parser.set_defaults(**vars(BankOptions()))
    return parser.parse_args()


def judge_gate(
    args: argparse.Namespace, generator: 'Generator'
) -> 'JudgeGate':
    import torch

    from mmdet_ddpm_moco.evaluation.judge import load_judge
    from mmdet_ddpm_moco.synthesis.judge_gate import JudgeGate

    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    judge = load_judge(*args.judge, generator.classes, device)
    return JudgeGate(judge, args.judge[1], iou=args.min_iou)


@one_line_errors
def main() -> None:
    args = parse_args()
    set_local_rank(args)
    from mmengine.config import Config

    from mmdet_ddpm_moco.utils.requirements import check_module

    check_module('diffusers')
    from mmengine.dist import is_main_process

    from mmdet_ddpm_moco.synthesis.generator import load_generator
    from mmdet_ddpm_moco.synthesis.run import synthesize_bank
    from mmdet_ddpm_moco.utils.dist import all_ranks, init_ranks
    from mmdet_ddpm_moco.utils.paths import find_config

    cfg = Config.fromfile(find_config(args.config))
    images = training_images(cfg)
    env = cfg.get('env_cfg') or {}
    init_ranks(args.launcher, **(env.get('dist_cfg') or {}))
    generator = all_ranks(lambda: load_generator(args.generator))
    judge = args.judge and all_ranks(lambda: judge_gate(args, generator))
    args.mix, args.per_class = dict(args.mix), dict(args.per_class)
    manifest = synthesize_bank(
        generator,
        images['ann_file'],
        images['img_prefix'],
        args.out,
        num=args.num,
        judge=judge,
        device=args.device,
        **{
            option.name: getattr(args, option.name)
            for option in fields(BankOptions)
        },
    )
    if not is_main_process():
        return
    print(
        f'{manifest["kept"]} windows in {args.out}; rejected: '
        f'{manifest["rejected"] or "none"}'
    )
    for name, kinds in manifest['kinds'].items():
        counts = (f'{kind} {count}' for kind, count in sorted(kinds.items()))
        print(f'  {name:20} ' + '  '.join(counts))


if __name__ == '__main__':
    main()
