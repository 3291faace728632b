"""Teachers: detectors of folds of the labels that label other images.

Each teacher is trained on all folds but one, by the ordinary tool. What it
finds on its own fold, which it did not see, tells how likely its boxes are
right; what all of them find on the unlabeled images is merged.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
from mmengine.config import Config
from mmengine.logging import print_log

from ..bank.scenes import write_scenes
from ..conversion.boxes import main_classes
from ..evaluation.detection_matches import match_detections
from ..evaluation.judge import Detections, dataset_classes
from ..teacher.calibration import calibrate, merged_probabilities
from ..teacher.defects import FILE as DEFECTS
from ..teacher.defects import known_defects
from ..teacher.folds import draw_folds, kept_whole
from ..teacher.fusion import FusedDetections, fuse
from ..teacher.misses import chances_found
from ..teacher.pseudo_labels import pseudo_coco
from ..teacher.report import (
    measure,
    read_truth,
    report_rows,
    report_text,
)
from ..teacher.settings import TeacherOptions
from ..utils.coco_annotations import complete_annotations
from ..utils.fileio import atomic_write_bytes, write_json
from ..utils.provenance import merge_records, record_images
from ..utils.run_logged import run_logged
from ..visualization.scene_grid import draw_scene_grid
from .detector_runs import Command, train_to_end
from .image_sets import ImageSet, check_for_teachers, labeled_dataset
from .pipelines import config_dicts, trained_views
from .scenes_state import scenes_state
from .stage import clear_away
from .teacher_config import check_predicts
from .teacher_costs import TimeLeft, cost_line
from .teacher_predictions import Image, predictions, size_of
from .training import STAGE_FILE, stage_state
from .training_images import images_seen_before


def make_pseudo_labels(
    teacher: Config,
    labeled: ImageSet,
    unlabeled: ImageSet,
    out: str | Path,
    options: TeacherOptions | None = None,
    *,
    truth: str | Path | None = None,
    device: str = 'cpu',
    command: Command = run_logged,
) -> str:
    """Trains teachers and has them label the unlabeled images.

    What is finished is not done again: a run that was killed is resumed by
    the same call. Writes scenes, ``defects.json`` (see
    :mod:`~mmdet_ddpm_moco.teacher.defects`), ``report.md``, ``report.json``
    and ``samples.png``.

    Args:
        teacher (Config): From :func:`teacher_config`; its training data set
            is replaced by the folds, all else is taken as it is.
        labeled (ImageSet): The labeled images.
        unlabeled (ImageSet): The others; their annotations are not read.
        out (str | Path): Folder for scenes, report and teachers.
        options (TeacherOptions, optional): Defaults to None, its defaults
            with the flips that the teachers are trained with.
        truth (str | Path, optional): COCO json with the true boxes of the
            unlabeled images, for the report alone. Defaults to None.
        device (str): Where teachers predict. Defaults to 'cpu'.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Returns:
        str: The report, Markdown.

    Raises:
        FileNotFoundError: There is no ``truth``.
        ValueError: An option is out of range, there are too few labels, or
            an image, a label or the truth cannot be used.
        ChildProcessError: A training failed.
    """
    options = options or TeacherOptions(flips=trained_views(teacher))
    out = Path(out)
    # Not after days of training.
    check_predicts(teacher)
    check_for_teachers(labeled)
    check_for_teachers(unlabeled)
    all_labels = labeled.coco
    if classes := dataset_classes(labeled_dataset(teacher)):
        labeled = labeled.of_classes(classes)
    categories = labeled.coco['categories']
    true_boxes = (
        None
        if truth is None
        else read_truth(truth, categories, unlabeled.coco['images'])
    )
    folds = _folds(labeled, unlabeled, options)
    begun = scenes_state(teacher, labeled, unlabeled, options, finished=False)
    _begin(out, begun)
    print(cost_line(teacher, labeled, unlabeled, options), flush=True)
    found = _ask(
        teacher, labeled, unlabeled, folds, out, options, device, command
    )
    results = out_of_fold(labeled, found.held_out)
    # Ids from 1: COCOeval matches no box whose id is 0.
    boxes = complete_annotations(all_labels['annotations'], labeled.ann_file)
    matches = match_detections(dict(all_labels, annotations=boxes), results)
    in_order = calibrate(matches)
    by_name = {known.name: known for known in in_order}
    calibrations = [by_name[category['name']] for category in categories]
    ids = [image['id'] for image in unlabeled.coco['images']]
    likely = merged_probabilities(found.merged, found.singles, calibrations)
    coco = pseudo_coco(
        unlabeled.coco['images'],
        categories,
        dict(zip(ids, found.merged, strict=True)),
        dict(zip(ids, likely, strict=True)),
    )
    measured = None if true_boxes is None else measure(coco, true_boxes)
    rows = report_rows(coco, matches, calibrations, measured)
    text = report_text(rows, coco, options.folds)
    scenes = write_scenes(
        out,
        coco,
        unlabeled.prefix,
        dict(
            options=asdict(options),
            calibrations=[*map(asdict, calibrations)],
        ),
        merge_records(
            record_images([*labeled.paths(), *unlabeled.paths()]),
            images_seen_before(teacher),
        ),
    )
    # A generator learns all categories, with scenes as without.
    known = known_defects(
        all_labels,
        labeled.prefix,
        coco,
        unlabeled.prefix,
        chances_found(labeled.ann_file, results, in_order),
    )
    write_json(out / DEFECTS, known)
    png = cv2.imencode('.png', draw_scene_grid(scenes))[1].tobytes()
    atomic_write_bytes(out / 'samples.png', png)
    atomic_write_bytes(out / 'report.md', text.encode())
    write_json(out / 'report.json', rows, indent=1)
    write_json(out / STAGE_FILE, dict(begun, finished=True))
    return text


def _folds(
    labeled: ImageSet, unlabeled: ImageSet, options: TeacherOptions
) -> list[list[str]]:
    """Names of the labeled images of each fold, with all classes if it can.

    Near duplicates stay together where :func:`kept_whole` says so.
    """
    kinds = {i['file_name']: '' for i in labeled.coco['images']}
    kinds |= main_classes(labeled.coco)
    same_set = unlabeled.prefix.resolve() == labeled.prefix.resolve()
    groups = kept_whole(
        labeled.coco['images'], unlabeled.coco['images'] if same_set else ()
    )
    return draw_folds(kinds, groups, options.folds, options.seed)


def _begin(out: Path, begun: Mapping) -> None:
    """Clears the folder of other teachers, and says whose it is."""
    earlier = stage_state(out).get('teachers')
    if earlier == begun['teachers']:
        print_log(f'resuming in {out}, whose teachers are the same')
    elif earlier is not None:
        clear_away(out)
    write_json(out / STAGE_FILE, begun)


@dataclass(frozen=True)
class _Found:
    """What teachers found; images are in the order of their annotations."""

    # By id of a labeled image, of the teacher that did not see it.
    held_out: dict[int, FusedDetections]
    # Of each teacher and unlabeled image.
    singles: list[list[FusedDetections]]
    # Of each unlabeled image, all teachers together.
    merged: list[FusedDetections]


def _ask(
    teacher: Config,
    labeled: ImageSet,
    unlabeled: ImageSet,
    folds: Sequence[Sequence[str]],
    out: Path,
    options: TeacherOptions,
    device: str,
    command: Command,
) -> _Found:
    """Trains the teachers and shows each its fold and the unlabeled images.

    What is finished is not done again.
    """
    classes = [category['name'] for category in labeled.coco['categories']]
    others = unlabeled.coco['images']
    clock = TimeLeft(len(folds))
    held_out: dict[int, FusedDetections] = {}
    views: list[list[Detections]] = [[] for _ in others]
    singles: list[list[FusedDetections]] = []
    for number, names in enumerate(folds):
        folder = out / 'teachers' / str(number)
        clock.begin()
        detector = _train(
            teacher, labeled, set(names), folder, command, clock.hear
        )
        own = labeled.subset(set(names))['images']
        of_own, of_others = (
            predictions(
                detector,
                classes,
                images,
                prefix,
                options.flips,
                folder / f'{name}.npz',
                device,
            )
            for images, prefix, name in (
                (own, labeled.prefix, 'held_out'),
                (others, unlabeled.prefix, 'unlabeled'),
            )
        )
        ids = (image['id'] for image in own)
        held_out |= zip(ids, _fused(own, of_own), strict=True)
        singles.append(_fused(others, of_others))
        for all_views, here in zip(views, of_others, strict=True):
            all_views.extend(here)
    return _Found(held_out, singles, _fused(others, views))


def _fused(
    images: Sequence[Image], views: Sequence[Sequence[Detections]]
) -> list[FusedDetections]:
    """Detections of all views of each image, merged."""
    return [
        fuse(here, size_of(image))
        for image, here in zip(images, views, strict=True)
    ]


def out_of_fold(
    labeled: ImageSet, held_out: Mapping[int, FusedDetections]
) -> list[dict]:
    """What teachers found on the images they did not see.

    Args:
        labeled (ImageSet): The labeled images.
        held_out (Mapping): Detections by image id.

    Returns:
        list[dict]: COCO results.
    """
    ids = [category['id'] for category in labeled.coco['categories']]
    return [
        dict(
            image_id=image,
            category_id=ids[label],
            bbox=[x0, y0, x1 - x0, y1 - y0],
            score=score,
        )
        for image, found in held_out.items()
        for (x0, y0, x1, y1), score, label in zip(
            found.boxes.tolist(),
            found.scores.tolist(),
            found.labels.tolist(),
            strict=True,
        )
    ]


def _train(
    cfg: Config,
    labeled: ImageSet,
    left_out: set[str],
    folder: Path,
    command: Command,
    on_line: Callable[[str], None],
) -> tuple[Path, Path]:
    """Trains, or finds trained, the teacher that did not see one fold."""
    names = {i['file_name'] for i in labeled.coco['images']} - left_out
    text = json.dumps(labeled.subset(names), ensure_ascii=False)
    ann_file = folder.resolve() / 'train.json'
    atomic_write_bytes(ann_file, text.encode())
    cfg = copy.deepcopy(cfg)
    for dataset in config_dicts(cfg.train_dataloader):
        if 'ann_file' in dataset:
            dataset['ann_file'] = str(ann_file)
    # Nothing is validated: the fold that is left out is asked later.
    for part in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[part] = None
    cfg.work_dir = str(folder)
    file = folder / 'detector.py'
    atomic_write_bytes(file, cfg.pretty_text.encode())
    return file, train_to_end(file, command, on_line)
