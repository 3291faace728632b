"""Does admission turn away what harms, and let in what helps?

Asks folds of the labeled images of NEU-DET about parts whose worth is known
otherwise: banks made harmful, the same detector with other random numbers,
which is worth nothing, and scenes, which help on the test images.
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmengine.config import Config

from mmdet_ddpm_moco.ablation.records import append_record, read_records
from mmdet_ddpm_moco.ablation.table import write_between_marks
from mmdet_ddpm_moco.engine.admission import AdmissionOptions, make_folds
from mmdet_ddpm_moco.engine.admission_folds import Fold
from mmdet_ddpm_moco.engine.admission_verdicts import (
    Scores,
    judge,
    score_folds,
)
from mmdet_ddpm_moco.engine.detector_runs import train_to_end
from mmdet_ddpm_moco.engine.image_sets import ImageSet, labeled_images
from mmdet_ddpm_moco.engine.inputs import fill_hooks, own_hooks
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes

from .harm import HARMS, harmful_copy

HERE = Path(__file__).parent
RESULTS = HERE / 'results' / 'neu_det.jsonl'
WITHOUT, AGAIN = 'without', 'again'
OWN = ('scenes', 'bank')  # what the recipe has
PARTS = (AGAIN, *OWN, *HARMS)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.admission',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=Path('data/NEU-DET-benchmark'),
        help='as benchmarks/neu_det/README.md makes it (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[0],
        help='each has its own labeled images and folds (default: 0)',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        default=PARTS,
        choices=PARTS,
        help='ask about these only',
    )
    return parser.parse_args()


def recipe(data: Path, seed: int) -> Config:
    """The detector of one seed, with all that it may be given."""
    cfg = Config.fromfile(HERE / 'recipe.py')
    few = f'annotations/train_20_seed_{seed}.json'
    cfg.randomness = dict(seed=seed)
    cfg.train_dataloader.dataset.update(data_root=f'{data}/', ann_file=few)
    cfg.stages.root += f'/{seed}'
    cfg.stages.teacher.unlabeled = f'{data}/annotations/train.json'
    cfg.stages.generator.options.update(
        {
            'train_dataloader.dataset.ann_file': f'{data}/{few}',
            'train_dataloader.dataset.img_prefix': f'{data}/images/',
        }
    )
    return fill_hooks(cfg)


def detector(fold: Fold, part: str, labeled: ImageSet) -> Path:
    """Config of a fold's detector with a part."""
    if part in (WITHOUT, *OWN):
        return fold.detector([part] if part in OWN else [], {})
    if part == AGAIN:
        file = fold.detector([], {})
        cfg = Config.fromfile(file)
        cfg.randomness.seed += 1000
    else:
        file = fold.detector(['bank'], {})
        train_to_end(file)  # makes the bank
        cfg = Config.fromfile(file)
        images = labeled.coco['images']
        sizes = {i['file_name']: (i['width'], i['height']) for i in images}
        (hook,) = own_hooks(cfg)
        folder = part.replace(' ', '_')
        hook.bank = str(
            harmful_copy(
                Path(hook.bank), fold.folder / 'banks' / folder, part, sizes
            )
        )
        del cfg['stages']
    cfg.work_dir = str(fold.folder / part.replace(' ', '_'))
    file = Path(cfg.work_dir) / 'detector.py'
    atomic_write_bytes(file, cfg.pretty_text.encode())
    return file


def ask(cfg: Config, parts: Sequence[str]) -> Iterator[dict]:
    """Judges parts, each on top of nothing; yields records."""
    labeled = labeled_images(cfg)
    seed = cfg.randomness.seed
    out = Path(cfg.stages.root)
    folds = make_folds(cfg, labeled, AdmissionOptions(seed=seed), out)

    def scores(part: str) -> Scores:
        print(f'\n== {part}', flush=True)
        files = [detector(fold, part, labeled) for fold in folds]
        return score_folds(labeled, files)

    before = scores(WITHOUT)
    for part in parts:
        found = judge(part, before, scores(part), keep_unsure=True)
        print(found, flush=True)
        numbers = {
            name: round(getattr(found, name), 2)
            for name in ('without', 'difference', 'low', 'high')
        }
        yield dict(
            numbers,
            part=part,
            seed=seed,
            recipe=digest(cfg),
            verdict=found.verdict,
        )


def digest(cfg: Config) -> str:
    """Changes with the recipe: its verdicts are asked for again."""
    return hashlib.sha256(cfg.pretty_text.encode()).hexdigest()[:16]


def table(data: Path) -> str:
    """The recorded verdicts of the present recipe, in Markdown."""
    rows = [
        '| part | seed | AP50 without | difference | interval | verdict |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    records = [
        record
        for record in read_records(RESULTS)[0]
        if record['recipe'] == digest(recipe(data, record['seed']))
    ]
    for r in sorted(
        records, key=lambda r: (PARTS.index(r['part']), r['seed'])
    ):
        rows.append(
            f'| {r["part"]} | {r["seed"]} | {r["without"]:.1f} | '
            f'{r["difference"]:+.1f} | {r["low"]:+.1f} … {r["high"]:+.1f} | '
            f'{r["verdict"]} |'
        )
    return '\n'.join(rows) + '\n'


@one_line_errors
def main() -> None:
    args = parse_args()
    for seed in args.seeds:
        cfg = recipe(args.data, seed)
        known = {
            record['part']
            for record in read_records(RESULTS)[0]
            if (record['seed'], record['recipe']) == (seed, digest(cfg))
        }
        if left := [part for part in args.only if part not in known]:
            for record in ask(cfg, left):
                append_record(RESULTS, record)
    text = table(args.data)
    write_between_marks(HERE / 'README.md', 'admission', text)
    print(f'\n{text}')


if __name__ == '__main__':
    main()
