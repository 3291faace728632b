"""An experiment for each fold, and the scores of all folds together."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmdet_ddpm_moco.ablation.experiment import ALL, Experiment, Variant
from mmdet_ddpm_moco.ablation.measure import (
    detections_of,
    mean_scores,
    prepare_runs,
    valid_records,
)
from mmdet_ddpm_moco.ablation.records import append_record, read_records

from .folds import FOLDS, write_folds
from .scores import pooled_scores
from .table import results

REFERENCE = 'baseline'
TRAINED = 'train_dataloader.dataset.dataset.ann_file'
# Of scenes among the images with a defect, by fold; see scene_share() for what
# DDPMMoCoHook takes by itself.
SHARES = (0.20, 0.23, 0.18)
WORK_DIR = Path('work_dirs/benchmarks/magnetic_tile')


def fold_experiments(
    here: Path, data_root: Path, seed: int
) -> list[Experiment]:
    """The experiments of all folds.

    Args:
        here (Path): Folder with ``variants`` and ``results``.
        data_root (Path): The converted set; annotations of the folds are
            written there.
        seed (int): Draws the thirds, and is that of all trainings.
    """
    folds = write_folds(data_root, seed)
    return [
        _experiment(here, data_root, folds / str(fold), seed)
        for fold in range(FOLDS)
    ]


def _experiment(
    here: Path, data_root: Path, fold: Path, seed: int
) -> Experiment:
    ann = {
        part: str(fold.relative_to(data_root) / f'{part}.json')
        for part in ('labeled', 'unlabeled', 'both', 'test')
    }
    work_dir = WORK_DIR / f'{fold.name}_{seed}'
    tested = {
        'test_dataloader.dataset.data_root': f'{data_root}/',
        'test_dataloader.dataset.ann_file': ann['test'],
        'test_evaluator.ann_file': str(data_root / ann['test']),
    }
    trained_on = {
        'train_dataloader.dataset.dataset.data_root': f'{data_root}/',
        TRAINED: ann['labeled'],
    }

    def variant(
        name: str,
        note: str = '',
        data: dict[str, str] = trained_on,
        **changed: Any,
    ) -> Variant:
        options = {**data, **tested, **changed.pop('options', {})}
        trained = changed.get('tta_of', name).removesuffix('_share')
        file = here / 'variants' / f'{trained}.py'
        return Variant(
            name, file, (seed,), options=options, note=note, **changed
        )

    def both_views(name: str, **given: Any) -> Iterator[Variant]:
        yield variant(name, **given)
        yield variant(f'{name}_tta', tta_of=name, **given)

    unlabeled = {'stages.teacher.unlabeled': str(data_root / ann['unlabeled'])}
    prob = 'custom_hooks.1.scene_prob'
    never = {**unlabeled, prob: 0.0}
    half = {**unlabeled, prob: 0.5}
    share = {**unlabeled, prob: SHARES[int(fold.name)]}
    generator = {
        'train_dataloader.dataset.ann_file': str(data_root / ann['labeled']),
        'train_dataloader.dataset.img_prefix': f'{data_root}/images/',
    }
    bank = {'stages.generator.options': generator}
    # Two datasets and, as a start, the baseline's weights.
    first, second = (f'train_dataloader.dataset.datasets.{n}.' for n in (0, 1))
    softteacher = dict(
        data={
            f'{first}dataset.data_root': f'{data_root}/',
            f'{first}dataset.ann_file': ann['labeled'],
            f'{second}data_root': f'{data_root}/',
            f'{second}ann_file': ann['unlabeled'],
            'load_from': str(
                work_dir
                / 'runs'
                / (REFERENCE + '_{shots}_{seed}')
                / 'iter_1080.pth'
            ),
        },
        own_method=True,
    )
    return Experiment(
        file=here / f'fold_{fold.name}.py',
        variants=(
            *both_views(REFERENCE),
            *both_views('scenes', options=half),
            *both_views('scenes_share', options=share),
            *both_views('kinds', options=half),
            *both_views('kinds_share', options=share),
            *both_views('softteacher', **softteacher),
            *both_views('bank', options=bank),
            *both_views('bank_kinds', options={**never, **bank}),
            *both_views('bank_moco', options={**never, **bank}),
            variant('scenes_bank', options={**half, **bank}),
            *both_views('scenes_bank_share', options={**share, **bank}),
            variant(
                'fully_supervised',
                options={TRAINED: ann['both']},
                own_labels=True,
                note='the labels of the unlabeled third, too',
            ),
        ),
        reference=REFERENCE,
        shots=(ALL,),
        data_root=data_root,
        work_dir=work_dir,
        pool_ann_file=ann['labeled'],
        test_ann_file=ann['test'],
        shots_ann_file=ann['labeled'],
        checkpoints=3,
    )


def pool(here: Path, data_root: Path, folds: Sequence[Experiment]) -> None:
    """Records the scores of all variants that are finished in all folds.

    They are means over the scored checkpoints, as in each fold.
    """
    prepared = [prepare_runs(fold) for fold in folds]
    found = [valid_records(*pair)[0] for pair in zip(folds, prepared)]
    known = {record['run'] for record in read_records(results(here))[0]}
    for runs in zip(*prepared):
        run = runs[0][0]
        name = run.name
        if name in known or not all(name in records for records in found):
            continue
        detections = [detections_of(*run) for run in runs]
        if not all(detections):
            # Records are kept longer than work folders.
            print(f'{name} is not scored over all folds: detections are gone')
            continue
        scores = [
            pooled_scores(
                folds[0].test_set.parent.parent / 'all.json',
                files,
                folds[0].resamples,
            )
            for files in zip(*detections)
        ]
        record = dict(
            run=name,
            variant=run.variant.name,
            seed=run.seed,
            folds=[records[name]['AP50'] for records in found],
            **mean_scores(scores),
        )
        append_record(results(here), record)
