"""Train on synthetic, test on real: what a bank alone teaches a detector.

Label truth asks whether a detector of real defects knows the synthesized
ones; this asks the reverse, in AP.
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
from .inputs import config_dicts, fill_hooks, inputs_of
from .pipelines import type_name

# A box that lies by half in a real defect is neither defect nor background.
IGNORE = 0.5


def check_judge(
    config: str | Path, real: tuple[str | Path, str | Path]
) -> None:
    """Checks that :func:`train_on_bank` can work with a judge's config.

    Args:
        config (str | Path): The judge's config.
        real (tuple): As for :func:`train_on_bank`.

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
    with the bank's windows in their places (:func:`write_composites`), and
    tested beside the judge. What is finished is not done again, and a
    training that was killed goes on where it was.

    Args:
        bank (DefectBank): The bank.
        data (LabeledImages): The images it was made from.
        judge (tuple): Config and checkpoint of a detector that was trained
            on real images alone.
        real (tuple): COCO json of the real images to test on, and the
            folder that its file names start from.
        out (str | Path): Folder for images, weights, logs and detections.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Returns:
        dict: ``images`` and ``boxes``, how many the bank made; ``bank`` and
        ``judge``, each with ``AP``, ``AP50`` and ``AP75`` in percent and
        ``classes``, with ``AP`` and ``AP50`` by name; None for a class
        without boxes.

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
        scores[name] = _known(summary(match_detections(real[0], detections)))
    return dict(**counts, **scores)


def _configs(
    config: str | Path, real: tuple[str | Path, str | Path], out: Path
) -> tuple[Config, Config]:
    """The judge's config, and that of the detector trained on the bank."""
    cfg = fill_hooks(Config.fromfile(find_config(str(config))))
    _test_on(cfg, *real)
    learner = Config(cfg.to_dict(), filename=cfg.filename)
    _train_on(learner, out / 'composites', str(config))
    return cfg, learner


def _known(scores: Any) -> Any:
    """Scores with None for NaN, which JSON does not have."""
    if isinstance(scores, dict):
        return {key: _known(value) for key, value in scores.items()}
    return None if math.isnan(scores) else scores


def _write(cfg: Config, folder: Path) -> Path:
    cfg.work_dir = str(folder)
    file = folder / 'detector.py'
    atomic_write_bytes(file, cfg.pretty_text.encode())
    return file


def _test_on(
    cfg: Config, ann_file: str | Path, img_prefix: str | Path
) -> None:
    _move(cfg, 'test', Path(ann_file).resolve(), Path(img_prefix).resolve())
    cfg.test_evaluator.ann_file = str(Path(ann_file).resolve())


def _train_on(cfg: Config, folder: Path, judge: str) -> None:
    if inputs_of(cfg)[0]:
        msg = (
            f'the judge {judge} is itself trained with a bank; give a '
            'detector of real images alone'
        )
        raise InputError(msg)
    _move(cfg, 'train', folder / 'annotations.json', folder / 'images')
    assigners = [
        part
        for part in config_dicts(cfg.model)
        if type_name(part) == 'MaxIoUAssigner'
    ]
    if not assigners:
        msg = (
            f'the judge {judge} has no MaxIoUAssigner, which could ignore '
            "the real defects in the bank's images; give another detector"
        )
        raise InputError(msg)
    for assigner in assigners:
        assigner['ignore_iof_thr'] = IGNORE
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.get('default_hooks', {}).get('checkpoint', {}).pop('save_best', None)


def _move(cfg: Config, part: str, ann_file: Path, images: Path) -> None:
    """Has a data loader read other images."""
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
