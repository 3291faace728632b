"""Train on synthetic, test on real: AP of a detector of a bank alone.

Label agreement asks whether a detector of real defects finds the synthesized
ones; this asks the reverse.
"""

import math
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..bank.reader import DefectBank
from ..datasets.labeled_images import LabeledImages
from ..evaluation.average_precision import summary
from ..evaluation.composites import write_composites
from ..evaluation.detection_matches import match_detections
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes
from ..utils.paths import find_config
from ..utils.run_logged import run_logged
from .detector_runs import Command, detect, train_to_end
from .inputs import fill_hooks, inputs_of, scenes_of
from .pipelines import config_dicts, type_name

# A box with this share of its area in a real defect is neither defect nor
# background.
IGNORE = 0.5


def check_judge(
    config: str | Path, real: tuple[str | Path, str | Path]
) -> None:
    """Checks a judge's config for :func:`train_on_bank`.

    Raises:
        ValueError: It trains on a bank, or cannot ignore boxes.
    """
    _configs(config, real, Path())


def train_on_bank(
    bank: DefectBank,
    data: LabeledImages,
    judge: tuple[str | Path, str | Path],
    real: tuple[str | Path, str | Path],
    out: str | Path,
    command: Command = run_logged,
) -> dict:
    """Trains a detector on a bank alone and tests it on real images.

    The judge's config, with its own schedule, is trained on whole images
    with the bank's windows pasted in (:func:`write_composites`), and tested
    like the judge. A finished training is reused, one that was killed is
    resumed.

    Args:
        bank (DefectBank): The bank.
        data (LabeledImages): The images it was made from.
        judge (tuple): Config and checkpoint of a detector that was trained
            on real images alone.
        real (tuple): COCO json of the real test images, and the folder of
            the file names in it.
        out (str | Path): Folder for images, weights, logs and detections.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Returns:
        dict: ``images`` and ``boxes``, the size of the training set;
        ``bank`` and ``judge``, each with ``AP``, ``AP50`` and ``AP75`` in
        percent and ``classes``, with ``AP`` and ``AP50`` by name; None for a
        class without boxes.

    Raises:
        ValueError: The judge trains on a bank, or cannot ignore boxes.
        ChildProcessError: Training or testing failed.
    """
    out = Path(out).resolve()
    config, checkpoint = judge
    cfg, learner = _configs(config, real, out)
    counts = write_composites(bank, data, out / 'composites')
    weights = train_to_end(_write(learner, out / 'detector'), command)
    scores = {}
    for name, file, weight in (
        ('judge', _write(cfg, out / 'judge'), checkpoint),
        ('bank', out / 'detector' / 'detector.py', weights),
    ):
        detections = file.with_name('detections.bbox.json')
        detect(file, weight, detections, command)
        scores[name] = _json_scores(
            summary(match_detections(real[0], detections))
        )
    return dict(**counts, **scores)


def _configs(
    config: str | Path, real: tuple[str | Path, str | Path], out: Path
) -> tuple[Config, Config]:
    """The judge's config, and that of the detector trained on the bank."""
    cfg = fill_hooks(Config.fromfile(find_config(str(config))))
    ann_file, img_prefix = (Path(path).resolve() for path in real)
    _replace_data(cfg, 'test', ann_file, img_prefix)
    cfg.test_evaluator.ann_file = str(ann_file)
    learner = Config(cfg.to_dict(), filename=cfg.filename)
    _train_on(learner, out / 'composites', str(config))
    return cfg, learner


def _json_scores(scores: Any) -> Any:
    """Scores with None for NaN, which JSON does not have."""
    if isinstance(scores, dict):
        return {key: _json_scores(value) for key, value in scores.items()}
    return None if math.isnan(scores) else scores


def _write(cfg: Config, folder: Path) -> Path:
    cfg.work_dir = str(folder)
    file = folder / 'detector.py'
    atomic_write_bytes(file, cfg.pretty_text.encode())
    return file


def _train_on(cfg: Config, folder: Path, judge: str) -> None:
    if inputs_of(cfg)[0] or scenes_of(cfg):
        msg = (
            f'the judge {judge} is itself trained with a bank or scenes; give '
            'a detector that is trained on labeled images alone'
        )
        raise InputError(msg)
    # It would be asked of the bank's images.
    (cfg.get('stages') or {}).pop('admission', None)
    _replace_data(cfg, 'train', folder / 'annotations.json', folder / 'images')
    assigners = [
        part
        for part in config_dicts(cfg.model)
        if type_name(part) == 'MaxIoUAssigner'
    ]
    if not assigners:
        msg = (
            f'the judge {judge} has no MaxIoUAssigner, which can ignore the '
            "real defects in the bank's images; give another detector"
        )
        raise InputError(msg)
    for assigner in assigners:
        assigner['ignore_iof_thr'] = IGNORE
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.get('default_hooks', {}).get('checkpoint', {}).pop('save_best', None)


def _replace_data(
    cfg: Config, part: str, ann_file: Path, images: Path
) -> None:
    loader = cfg[f'{part}_dataloader']
    found = [d for d in config_dicts(loader) if 'ann_file' in d]
    if len(found) != 1:
        msg = (
            f'{cfg.filename} reads {len(found)} annotation files for '
            f'{part}, not one; give a detector of one data set'
        )
        raise InputError(msg)
    found[0].update(
        data_root='', ann_file=str(ann_file), data_prefix=dict(img=str(images))
    )
