"""Whether bank, scenes and weights help, asked before a detector takes them.

In ``stages.admission`` of a detector's config::

    admission=dict(folds=3, options={'train_cfg.max_iters': 1000})

The labeled images are drawn into folds. In each, the stages are made from
the other folds and detectors are trained on those, without a part and with
it; their detections on all folds are scored together. What harms is left out
of the detector. It costs a training for each fold and part, one more for each
fold, and the stages once for each fold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ..conversion.boxes import main_classes
from ..evaluation.judge import dataset_classes
from ..teacher.folds import draw_folds
from ..utils.checks import check_arguments
from ..utils.dist import long_timeout_group, main_process_first
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes, read_json, write_json
from ..utils.run_logged import run_logged
from .admission_folds import Fold, remove_backbone
from .admission_images import groups_with_copies
from .admission_state import admission_state, stages_digest, with_stages
from .admission_verdicts import Scores, Verdict, judge, report, score_folds
from .detector_runs import Command
from .image_sets import ImageSet, labeled_dataset, labeled_images
from .inputs import (
    PARTS,
    own_hooks,
    own_transforms,
    reads,
    remove_empty_hooks,
    stage_outputs,
    stages_root,
)
from .training import as_begun

FILE = 'admission.json'


@dataclass(frozen=True)
class AdmissionOptions:
    """What a user may choose.

    Attributes:
        folds (int): At least 2.
        seed (int): Draws the folds.
        keep_unsure (bool): Keep a part of which the folds cannot tell.
        options (Mapping): Settings that replace those of the detector in the
            folds, such as a shorter training.
        stages (Mapping): Likewise of the ``stages``.
    """

    folds: int = 3
    seed: int = 0
    keep_unsure: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_arguments(vars(self), folds=(self.folds >= 2, 'at least 2'))


def admit(
    cfg: Config, command: Command = run_logged, *, make: bool = True
) -> list[Verdict]:
    """Leaves out of a detector what harms it on its own labels, in place.

    Does nothing without ``stages.admission``. What is finished is not done
    again. Writes ``admission.json`` and ``report.md`` into ``root/admission``.

    Args:
        cfg (Config): The detector's, its hooks filled.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.
        make (bool): Train what the verdicts need. Defaults to True.

    Returns:
        list[Verdict]: In the order in which parts were judged.

    Raises:
        ValueError: An option is unknown or out of range, there are too few
            labels, a stage reads images that cannot be left out, a bank,
            scenes or weights are not of the stages, or the verdicts are
            missing or stale and ``make`` is False.
        ChildProcessError: A training failed.
    """
    recipe = (cfg.get('stages') or {}).get('admission')
    if recipe is None:
        return []
    options = _options(recipe)
    outputs = stage_outputs(cfg)
    _check_made_by_stages(cfg, outputs)
    parts = [
        part
        for part in PARTS
        if part in outputs
        and any(reads(hook, part, outputs[part]) for hook in own_hooks(cfg))
    ]
    if not parts:
        return []
    verdicts = main_process_first(
        lambda: _judge(cfg, parts, options, command if make else None),
        long_timeout_group(),
    )
    for found in verdicts:
        print_log(f'admission: {found}')
        if not found.kept:
            _leave_out(cfg, found.part, outputs[found.part])
    return verdicts


def _check_made_by_stages(cfg: Config, outputs: Mapping[str, str]) -> None:
    """What is made from all labels would know each fold."""
    foreign = [
        transform[part]
        for transform in own_transforms(cfg)
        for part in ('bank', 'scenes')
        if transform.get(part)
    ]
    foreign += [
        hook[part]
        for hook in own_hooks(cfg)
        for part in PARTS
        if hook.get(part) and not reads(hook, part, outputs.get(part, ''))
    ]
    if foreign:
        msg = (
            f'admission cannot make {foreign[0]} anew for each fold: have '
            '`stages` make it for DDPMMoCoHook, or leave out stages.admission'
        )
        raise InputError(msg)


def _options(recipe: Mapping) -> AdmissionOptions:
    known = [f.name for f in fields(AdmissionOptions)]
    unknown = sorted(set(recipe) - set(known))
    if unknown:
        msg = (
            f'stages.admission has no {", ".join(unknown)}; it takes '
            f'{", ".join(known)}'
        )
        raise InputError(msg)
    return AdmissionOptions(**recipe)


def _judge(
    cfg: Config,
    parts: Sequence[str],
    options: AdmissionOptions,
    command: Command | None,
) -> list[Verdict]:
    out = stages_root(cfg) / 'admission'
    asked = read_json(out / FILE, {})
    # A resumed run may be told again what it began from, on the command line.
    given, cfg = cfg, as_begun(cfg)
    state = admission_state(cfg, parts, asdict(options))
    known = [state]
    if given is not cfg:
        known.append(admission_state(given, parts, asdict(options)))
    for begun in (asked, *asked.get('earlier', ())):
        if begun.get('state') in known:
            return [Verdict(**row) for row in begun['verdicts']]
    if command is None:
        msg = (
            f'{out / FILE} is missing or stale and --no-prepare was given; '
            'leave it out once, so that the parts are judged'
        )
        raise InputError(msg)
    labeled = labeled_images(cfg)
    classes = dataset_classes(labeled_dataset(cfg))
    folds = make_folds(cfg, labeled, options, out)
    print(
        f'admission: {len(folds)} folds x {len(parts) + 1} trainings, and '
        f'the stages of {", ".join(parts)} for each fold; in {out}',
        flush=True,
    )
    kept: list[str] = []
    verdicts: list[Verdict] = []

    def scores(parts: Sequence[str]) -> Scores:
        detectors = [fold.detector(parts, options.options) for fold in folds]
        return score_folds(labeled, detectors, command, classes)

    before = scores(kept)
    for part in parts:
        after = scores([*kept, part])
        found = judge(part, before, after, keep_unsure=options.keep_unsure)
        verdicts.append(found)
        if found.kept:
            kept.append(part)
            before = after
    atomic_write_bytes(
        out / 'report.md', report(verdicts, options.folds).encode()
    )
    # Those of another seed, say, are still true of it.
    earlier = [*asked.pop('earlier', ()), *([asked] if asked else [])]
    rows = [asdict(row) for row in verdicts]
    new = dict(state=state, verdicts=rows, earlier=earlier)
    write_json(out / FILE, new, indent=1)
    return verdicts


def make_folds(
    cfg: Config,
    labeled: ImageSet,
    options: AdmissionOptions,
    out: Path,
) -> list[Fold]:
    """Draws the labeled images into folds, near copies together.

    Args:
        cfg (Config): The detector's, its hooks filled; is not changed.
        labeled (ImageSet): Its labeled images.
        options (AdmissionOptions): The number of folds among them.
        out (Path): Each fold gets a folder there.

    Raises:
        FileNotFoundError: Unlabeled images or a config are missing.
        ValueError: There are too few labels, or a stage reads images of a
            fold that cannot be left out.
    """
    kinds = {i['file_name']: '' for i in labeled.coco['images']}
    kinds |= main_classes(labeled.coco)
    groups = groups_with_copies(labeled)
    smaller = with_stages(cfg, options.stages)
    made_from = stages_digest(cfg, options.stages)
    drawn = draw_folds(kinds, groups, options.folds, options.seed)
    return [
        Fold(smaller, labeled, names, out / str(number), made_from)
        for number, names in enumerate(drawn)
    ]


def _leave_out(cfg: Config, part: str, output: str) -> None:
    for hook in own_hooks(cfg):
        if reads(hook, part, output):
            del hook[part]
    remove_empty_hooks(cfg)
    if part == 'checkpoint':
        remove_backbone(cfg)
