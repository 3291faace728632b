"""Shows training samples of a detector's config, as it would train on them.

What DDPMMoCoHook inserts is included: boxes are colored by whether they are
real (green), added by a synthesized defect (blue), replaced by one (orange) or
those of a scene that teachers labeled (purple). Writes sample_grid.png and a
PNG of each sample.
"""

import argparse
from collections import Counter
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.utils.cli import one_line_errors, progress_bar
from mmdet_ddpm_moco.utils.config_options import ConfigAction
from mmdet_ddpm_moco.utils.errors import InputError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config of a detector')
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder to write to (default: work_dirs/<name of the config>/'
        'samples)',
    )
    parser.add_argument(
        '--num',
        type=int,
        default=12,
        help='samples to show (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='draws images, windows and augmentations (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigAction,
        metavar='KEY=VALUE',
        help='override settings of the config, such as '
        'custom_hooks.0.prob=1 to see more of the bank',
    )
    # What apply_options asks besides.
    parser.set_defaults(launcher='none', work_dir=None)
    return parser.parse_args()


@one_line_errors
def main() -> None:
    args = parse_args()
    for name, least in (('num', 1), ('seed', 0)):
        if getattr(args, name) < least:
            msg = f'--{name} must be at least {least}'
            raise InputError(msg)
    # Not at the top: --help should not wait for torch.
    from mmdet_ddpm_moco.engine.browsing import browsed_dataset, draw_samples
    from mmdet_ddpm_moco.engine.options import apply_options, check_data
    from mmdet_ddpm_moco.utils.paths import find_config
    from mmdet_ddpm_moco.visualization.training_samples import (
        MEANING,
        draw_cell,
        draw_grid,
        draw_sample,
        with_legend,
        write_picture,
    )

    cfg = apply_options(Config.fromfile(find_config(args.config)), args)
    check_data(cfg, make=True, parts=('train',))
    out = Path(args.out or f'work_dirs/{Path(args.config).stem}/samples')
    dataset = browsed_dataset(cfg, print)
    number = min(args.num, len(dataset))
    samples = draw_samples(dataset, number, args.seed)
    counts: Counter[str] = Counter()
    cells = []
    for index in progress_bar(range(number), 'samples'):
        sample = next(samples)
        parts = sample.image, sample.corners, sample.names, sample.origins
        own = Counter(sample.origins)
        picture = draw_sample(*parts)
        name = f'{index:03d}_{Path(sample.path).stem}.png'
        write_picture(out / name, with_legend(picture, own))
        cells.append(draw_cell(*parts))
        counts.update(own)
    write_picture(out / 'sample_grid.png', draw_grid(cells, counts))
    words = ', '.join(f'{counts[o]} {text}' for o, text in MEANING.items())
    print(f'{number} samples; boxes: {words}')
    print(f'written: {out}/sample_grid.png and a PNG of each sample')


if __name__ == '__main__':
    main()
