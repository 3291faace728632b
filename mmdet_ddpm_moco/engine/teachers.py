"""Teachers: detectors of folds of the labels that label other images.

Each teacher is trained on all folds but one, by the ordinary tool. What it
finds on its own fold, which it did not see, sets the thresholds of each
class; what all of them find on the unlabeled images is merged.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from PIL import Image
from tqdm import tqdm

from ..bank.scenes import write_scenes
from ..conversion.boxes import main_classes
from ..evaluation.detection_matches import Matches, match_detections
from ..evaluation.judge import Detections, Judge, load_judge
from ..teacher.folds import draw_folds
from ..teacher.fusion import (
    FLIPS,
    FusedDetections,
    flip_boxes,
    flip_image,
    fuse,
)
from ..teacher.pseudo_labels import pseudo_coco
from ..teacher.report import measured, report_rows, report_text
from ..teacher.thresholds import calibrate
from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import IMAGE_SUFFIXES, atomic_write_bytes
from ..utils.provenance import fingerprints, record_images
from ..utils.run_logged import run_logged
from ..visualization.scene_grid import draw_scene_grid
from .detector_runs import Command, train_to_end
from .pipelines import config_dicts


@dataclass(frozen=True)
class ImageSet:
    """Images and, where they are labeled, their boxes.

    Attributes:
        ann_file (Path): Where they come from.
        coco (dict): COCO ``images``, ``annotations`` and ``categories``.
        prefix (Path): Folder that the file names start from.
    """

    ann_file: Path
    coco: dict
    prefix: Path

    @classmethod
    def read(cls, ann_file: str | Path, prefix: str | Path) -> 'ImageSet':
        """Reads a COCO json.

        Raises:
            FileNotFoundError: It is not there.
        """
        if not Path(ann_file).is_file():
            msg = (
                f'no annotations at {ann_file}; make them with '
                'tools/prepare_dataset.py'
            )
            raise MissingFileError(msg)
        coco = json.loads(Path(ann_file).read_bytes())
        return cls(Path(ann_file), coco, Path(prefix))

    def paths(self) -> Iterator[Path]:
        """Files of the images."""
        for image in self.coco['images']:
            yield self.prefix / image['file_name']

    def subset(self, names: set[str]) -> dict:
        """COCO annotations of some of the images."""
        images = [i for i in self.coco['images'] if i['file_name'] in names]
        ids = {image['id'] for image in images}
        kept = [a for a in self.coco['annotations'] if a['image_id'] in ids]
        return dict(self.coco, images=images, annotations=kept)


@dataclass(frozen=True)
class TeacherOptions:
    """How pseudo-labels are made.

    Attributes:
        folds (int): Teachers, each trained without one fold, at least 2.
        flips (tuple[str, ...]): Of ``FLIPS``; views of each image that a
            teacher is shown. Leave out those the surface does not have.
        precision (float): Asked of the kept boxes of each class, out of
            fold, in (0, 1].
        low_precision (float): Boxes below it are background, in [0, 1).
        min_agreement (float): Mean IoU below which a box is ignored because
            its place is uncertain, in [0, 1].
        seed (int): Draws the folds.
    """

    folds: int = 3
    flips: tuple[str, ...] = FLIPS
    precision: float = 0.7
    low_precision: float = 0.2
    min_agreement: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.flips) - set(FLIPS))
        if unknown or not self.flips:
            msg = (
                f'flips must be some of {", ".join(FLIPS)}, got '
                f'{", ".join(self.flips) or "none"}'
            )
            raise InputError(msg)


def make_pseudo_labels(
    teacher: Config,
    labeled: ImageSet,
    unlabeled: ImageSet,
    out: str | Path,
    options: TeacherOptions | None = None,
    *,
    groups: Mapping[str, int] | None = None,
    truth: str | Path | None = None,
    device: str = 'cpu',
    command: Command = run_logged,
) -> str:
    """Trains teachers and has them label the unlabeled images.

    What is finished is not done again: a run that was killed is resumed by
    the same call. Writes scenes, ``report.md``, ``report.json`` and
    ``samples.png``.

    Args:
        teacher (Config): An ordinary detector config; its training data set
            is replaced by the folds, all else is taken as it is.
        labeled (ImageSet): The labeled images.
        unlabeled (ImageSet): The others; their annotations are not read.
        out (str | Path): Folder for scenes, report and teachers.
        options (TeacherOptions, optional): Defaults to None, its defaults.
        groups (Mapping[str, int], optional): Near duplicates among the
            labeled images by file name. Defaults to None.
        truth (str | Path, optional): COCO json with the true boxes of the
            unlabeled images, for the report alone. Defaults to None.
        device (str): Where teachers predict. Defaults to 'cpu'.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Returns:
        str: The report, Markdown.

    Raises:
        FileNotFoundError: There is no ``truth``.
        ValueError: An option is out of range, or there are too few labels.
        ChildProcessError: A training failed.
    """
    options = options or TeacherOptions()
    out = Path(out)
    categories = labeled.coco['categories']
    kinds = {i['file_name']: '' for i in labeled.coco['images']}
    kinds |= main_classes(labeled.coco)
    folds = draw_folds(kinds, groups or {}, options.folds, options.seed)
    held_out: dict[int, FusedDetections] = {}
    views: dict[int, list[Detections]] = {}
    for number, names in enumerate(folds):
        folder = out / 'teachers' / str(number)
        file, checkpoint = _train(
            teacher, labeled, set(names), folder, command
        )
        own = labeled.subset(set(names))['images']
        for images, prefix, name in (
            (own, labeled.prefix, 'held_out'),
            (unlabeled.coco['images'], unlabeled.prefix, 'unlabeled'),
        ):
            found = _predictions(
                (file, checkpoint),
                [c['name'] for c in categories],
                images,
                prefix,
                options.flips,
                folder / f'{name}.npz',
                device,
            )
            for image, here in zip(images, found, strict=True):
                if images is own:
                    held_out[image['id']] = fuse(here, _size(image))
                else:
                    views.setdefault(image['id'], []).extend(here)
    by_name = {
        threshold.name: threshold
        for threshold in calibrate(
            out_of_fold(labeled, held_out),
            options.precision,
            options.low_precision,
        )
    }
    thresholds = [by_name[category['name']] for category in categories]
    coco = pseudo_coco(
        unlabeled.coco['images'],
        categories,
        {
            i['id']: fuse(views[i['id']], _size(i))
            for i in unlabeled.coco['images']
        },
        thresholds,
        options.min_agreement,
    )
    rows = report_rows(
        coco, thresholds, None if truth is None else _truth(coco, truth)
    )
    text = report_text(rows, coco, options.folds)
    seen = record_images([*labeled.paths(), *unlabeled.paths()])
    scenes = write_scenes(
        out,
        coco,
        unlabeled.prefix,
        dict(options=asdict(options), thresholds=[*map(asdict, thresholds)]),
        seen,
    )
    png = cv2.imencode('.png', draw_scene_grid(scenes))[1].tobytes()
    atomic_write_bytes(out / 'samples.png', png)
    atomic_write_bytes(out / 'report.md', text.encode())
    atomic_write_bytes(
        out / 'report.json', (json.dumps(rows, indent=1) + '\n').encode()
    )
    return text


def _truth(coco: dict, file: str | Path) -> list[dict[str, float]]:
    """Measures the kept boxes against the true ones, image by file name."""
    if not Path(file).is_file():
        msg = f'no annotations at {file}'
        raise MissingFileError(msg)
    known = json.loads(Path(file).read_bytes())
    ids = {image['file_name']: image['id'] for image in known['images']}
    names = {image['id']: image['file_name'] for image in coco['images']}
    category = {c['name']: c['id'] for c in known['categories']}
    asked = {ids[name] for name in names.values() if name in ids}
    shown = dict(
        known,
        images=[i for i in known['images'] if i['id'] in asked],
        annotations=[
            a for a in known['annotations'] if a['image_id'] in asked
        ],
    )
    named = {c['id']: category[c['name']] for c in coco['categories']}
    kept = [
        dict(
            image_id=ids[names[a['image_id']]],
            category_id=named[a['category_id']],
            bbox=a['bbox'],
            score=a['score'],
        )
        for a in coco['annotations']
        if not a['iscrowd'] and names[a['image_id']] in ids
    ]
    with TemporaryDirectory() as folder:
        truth = Path(folder) / 'truth.json'
        truth.write_text(json.dumps(shown))
        found = {c.name: c for c in match_detections(truth, kept).classes}
    return [measured(found[c['name']]) for c in coco['categories']]


def out_of_fold(
    labeled: ImageSet, held_out: Mapping[int, FusedDetections]
) -> Matches:
    """Matches what teachers found on the images they did not see.

    Args:
        labeled (ImageSet): The labeled images.
        held_out (Mapping): Detections by image id.

    Returns:
        Matches: With the labels.
    """
    ids = [category['id'] for category in labeled.coco['categories']]
    results = [
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
    return match_detections(labeled.ann_file, results)


def _train(
    cfg: Config,
    labeled: ImageSet,
    left_out: set[str],
    folder: Path,
    command: Command,
) -> tuple[Path, Path]:
    """Trains, or finds trained, the teacher that did not see one fold."""
    names = {i['file_name'] for i in labeled.coco['images']} - left_out
    text = json.dumps(labeled.subset(names), ensure_ascii=False)
    ann_file = folder.resolve() / 'train.json'
    atomic_write_bytes(ann_file, text.encode())
    cfg = cfg.copy()
    for dataset in config_dicts(cfg.train_dataloader):
        if 'ann_file' in dataset:
            dataset['ann_file'] = str(ann_file)
    # Nothing is validated: the fold that is left out is asked later.
    for part in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[part] = None
    cfg.work_dir = str(folder)
    cfg.pop('stages', None)
    file = folder / 'detector.py'
    atomic_write_bytes(file, cfg.pretty_text.encode())
    return file, train_to_end(file, command)


def _size(image: Mapping[str, Any]) -> tuple[int, int]:
    return image['height'], image['width']


def _predictions(
    detector: tuple[Path, Path],
    classes: Sequence[str],
    images: Sequence[Mapping[str, Any]],
    prefix: Path,
    flips: Sequence[str],
    file: Path,
    device: str,
) -> list[list[Detections]]:
    """Detections of each view of each image, kept in a file.

    They are made once: the file holds a digest of the weights, the names of
    the images and the flips.
    """
    digest = hashlib.sha256(detector[1].read_bytes())
    digest.update(json.dumps([i['file_name'] for i in images]).encode())
    digest.update(json.dumps(list(flips)).encode())
    key = digest.hexdigest()
    found = _read_predictions(file, key)
    if found is None:
        judge = load_judge(*detector, classes, device)
        found = list(_predict(judge, images, prefix, flips, file))
        _write_predictions(file, key, found)
    step = len(flips)
    return [found[i : i + step] for i in range(0, len(found), step)]


def _read_predictions(file: Path, key: str) -> list[Detections] | None:
    try:
        with np.load(file, allow_pickle=False) as saved:
            if str(saved['key']) != key:
                return None
            cuts = saved['cuts'][1:-1]
            parts = (
                np.split(saved[name], cuts)
                for name in ('boxes', 'scores', 'labels')
            )
            return [Detections(*view) for view in zip(*parts, strict=True)]
    except (OSError, ValueError, KeyError):
        return None  # missing, or cut short by a kill


def _write_predictions(
    file: Path, key: str, found: Sequence[Detections]
) -> None:
    packed = io.BytesIO()
    np.savez(
        packed,
        key=np.array(key),
        cuts=np.cumsum([0, *(len(view.scores) for view in found)]),
        boxes=np.concatenate([view.boxes for view in found]),
        scores=np.concatenate([view.scores for view in found]),
        labels=np.concatenate([view.labels for view in found]),
    )
    atomic_write_bytes(file, packed.getvalue())


def _predict(
    judge: Judge,
    images: Sequence[Mapping[str, Any]],
    prefix: Path,
    flips: Sequence[str],
    file: Path,
) -> Iterator[Detections]:
    """Detections of each view, in the coordinates of the unflipped image."""

    def shown() -> Iterator[np.ndarray]:
        for image in images:
            path = prefix / image['file_name']
            pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if pixels is None or pixels.shape[:2] != _size(image):
                msg = (
                    f'{path} is missing, damaged or not of the size in its '
                    'annotations; prepare the data set again'
                )
                raise InputError(msg)
            for flip in flips:
                yield flip_image(pixels, flip)

    views = [(image, flip) for image in images for flip in flips]
    label = f'teacher {file.parent.name}, {file.stem.replace("_", " ")}'
    bar = tqdm(views, desc=label, unit='view')
    for (image, flip), view in zip(bar, judge.detect(shown()), strict=True):
        yield Detections(
            flip_boxes(view.boxes, flip, *_size(image)),
            view.scores,
            view.labels,
        )


def labeled_images(cfg: Config) -> ImageSet:
    """The training images of a detector config.

    Args:
        cfg (Config): With one COCO data set, however wrapped.

    Returns:
        ImageSet: Its images and boxes.

    Raises:
        FileNotFoundError: Its annotations are missing.
        ValueError: It has none, or several data sets.
    """
    found = [
        d for d in config_dicts(cfg.train_dataloader) if d.get('ann_file')
    ]
    if len(found) != 1:
        msg = (
            f'{cfg.filename} trains on {len(found)} annotation files, and '
            'teachers need one; join them into one COCO json'
        )
        raise InputError(msg)
    (dataset,) = found
    root = Path(dataset.get('data_root') or '')
    prefix = (dataset.get('data_prefix') or {}).get('img', '')
    return ImageSet.read(root / dataset['ann_file'], root / prefix)


def unlabeled_images(
    source: str | Path, prefix: str | Path | None, labeled: ImageSet
) -> ImageSet:
    """Images to be labeled: those of a source that are not labeled yet.

    Args:
        source (str | Path): A COCO json, or a folder of images.
        prefix (str | Path | None): Folder that the json's file names start
            from; None takes that of the labeled images.
        labeled (ImageSet): Images left out, by the contents of the files.

    Returns:
        ImageSet: Without annotations.

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: No image is left.
    """
    source = Path(source)
    if source.is_dir():
        images: list[dict] = []
        for path in sorted(source.rglob('*')):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                with Image.open(path) as opened:
                    width, height = opened.size
                images.append(
                    dict(
                        id=len(images) + 1,
                        file_name=path.relative_to(source).as_posix(),
                        width=width,
                        height=height,
                    )
                )
        found = ImageSet(source, dict(images=images), source)
    else:
        found = ImageSet.read(source, prefix or labeled.prefix)
    known = {f.content for f in fingerprints(labeled.paths()).values()}
    ours = fingerprints(found.paths())
    kept = [
        image
        for image, path in zip(
            found.coco['images'], map(str, found.paths()), strict=True
        )
        if path not in ours or ours[path].content not in known
    ]
    if not kept:
        msg = f'{source} has no image that is not labeled already'
        raise InputError(msg)
    coco = dict(
        images=kept, annotations=[], categories=labeled.coco['categories']
    )
    return ImageSet(source, coco, found.prefix)
