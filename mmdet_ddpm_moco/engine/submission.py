"""Makes what boards take: detections, checked, and how they were made."""

import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dist import is_main_process

from ..checkpoints.weights_only import load_weights_only
from ..evaluation.coco_results import check_results
from ..evaluation.detection_report import (
    draw_report,
    evaluate_detections,
    report_text,
)
from ..evaluation.judge import class_names
from ..evaluation.severstal_csv import check_severstal_csv, severstal_csv
from ..utils.errors import InputError
from ..utils.fileio import atomic_write_bytes, json_bytes, read_json
from ..utils.requirements import REQUIRED, module_version
from ..version import __version__
from .image_sets import ImageSet
from .submission_images import submission_images
from .training import test

RECORD = 'submission.json'
RESULTS = 'results.json'
IMAGES = 'images.json'
METRICS = 'metrics.json'
_CSV = 'submission.csv'
_PLOTS = ('precision_recall_*.png', 'confusion_matrix.png')


def make_submission(
    cfg: Config,
    checkpoint: str | Path,
    out: str | Path,
    *,
    source: str | Path | None = None,
    prefix: str | Path | None = None,
    score_thr: float = 0.3,
    command: str = '',
) -> str | None:
    """Tests a detector and writes a submission, once it is checked.

    ``results.json`` has the detections in COCO's format, with masks where
    the detector has them; then ``submission.csv`` is written too. With the
    truth known, ``metrics.json`` and PNGs of precision over recall and of
    the confusion matrix. ``submission.json``, written last, says what all
    depends on.

    Args:
        cfg (Config): With ``work_dir`` and ``launcher`` set.
        checkpoint (str | Path): Weights of the whole detector.
        out (str | Path): Folder to write. An older submission in it is
            replaced, unless this one is refused.
        source (str | Path | None): See :func:`submission_images`.
        prefix (str | Path | None): Likewise.
        score_thr (float): Lowest score in the csv and in the confusion
            matrix, in [0, 1]. Defaults to 0.3.
        command (str): The command line, for the record.

    Returns:
        str | None: What was written and, with truth, a table of average
        precision; None on ranks other than the main process.

    Raises:
        FileNotFoundError: Checkpoint, list or images are missing.
        ValueError: They do not fit each other, or the detections fail a
            check. Nothing is written then.
    """
    out = Path(out)
    meta = load_weights_only(checkpoint).get('meta') or {}
    classes = class_names(cfg, meta)
    if not classes:
        msg = f'neither {checkpoint} nor {cfg.filename} names its classes'
        raise InputError(msg)
    images = submission_images(cfg, classes, source, prefix)
    coco = images.coco
    found = _detect(cfg, checkpoint, classes, images)
    if found is None:
        return None
    detections, masks = found['detections'], found['masks']
    check_results(
        detections, found['tested'], coco['images'], coco['categories']
    )
    files = {RESULTS: json_bytes(detections)}
    if masks:
        text = severstal_csv(
            detections, coco['images'], coco['categories'], score_thr
        )
        check_severstal_csv(text, coco['images'], coco['categories'])
        files[_CSV] = text.encode()
    if images.ann_file.is_dir():
        # The numbers in the results mean these names.
        listed = dict(images=coco['images'], categories=coco['categories'])
        files[IMAGES] = json_bytes(listed, indent=1)
    lines = []
    with TemporaryDirectory() as folder:
        if coco['annotations']:
            measured = _measure(images, found, score_thr, Path(folder))
            files[METRICS] = json_bytes(measured, indent=1)
            for name in draw_report(measured, Path(folder)):
                files[name] = (Path(folder) / name).read_bytes()
            lines.append(report_text(measured))
    record = _record(cfg, checkpoint, images, score_thr, command)
    record['files'] = {name: _sha256(data) for name, data in files.items()}
    files[RECORD] = json_bytes(record, indent=1)
    for name in (RECORD, RESULTS, _CSV, IMAGES, METRICS, *_PLOTS):
        for old in out.glob(name):
            old.unlink()
    for name, data in files.items():
        atomic_write_bytes(out / name, data)
    lines.append(
        f'{len(detections)} detections in {len(coco["images"])} images '
        f'written to {out}: {", ".join(files)}'
    )
    return '\n'.join(lines)


def _detect(
    cfg: Config,
    checkpoint: str | Path,
    classes: tuple[str, ...],
    images: ImageSet,
) -> dict[str, Any] | None:
    """What the main process collected from all ranks, None on others."""
    with TemporaryDirectory() as folder:
        listed, collected = (Path(folder) / n for n in ('in', 'out'))
        # mmdet's numbers of classes follow the categories of the file. A
        # test pipeline that loads masks finds none in a list of boxes.
        without_truth = dict(images.coco, annotations=[])
        atomic_write_bytes(listed, json_bytes(without_truth))
        cfg.test_dataloader.dataset = dict(
            type='mmdet.CocoDataset',
            ann_file=str(listed),
            data_prefix=dict(img=str(images.prefix)),
            metainfo=dict(classes=classes),
            pipeline=get_test_pipeline_cfg(cfg),
            test_mode=True,
        )
        cfg.test_evaluator = dict(
            type=f'{__package__}.submission_metric.SubmissionMetric',
            file=str(collected),
            category_ids=[c['id'] for c in images.coco['categories']],
            ann_file=str(listed),
        )
        test(cfg, checkpoint)
        return read_json(collected) if is_main_process() else None


def _measure(
    images: ImageSet, found: Mapping, score_thr: float, folder: Path
) -> dict[str, Any]:
    """Compares detections with the truth, of the detector's classes."""
    coco = images.coco
    known = {category['id'] for category in coco['categories']}
    kept = [a for a in coco['annotations'] if a['category_id'] in known]
    truth = folder / 'truth.json'
    atomic_write_bytes(truth, json_bytes(dict(coco, annotations=kept)))
    with_masks = all(a.get('segmentation') for a in kept)
    return evaluate_detections(
        truth,
        found['detections'],
        score_thr=score_thr,
        masks=found['masks'] and with_masks,
    )


def _record(
    cfg: Config,
    checkpoint: str | Path,
    images: ImageSet,
    score_thr: float,
    command: str,
) -> dict[str, Any]:
    """All that a submission depends on, in JSON types."""
    contents = hashlib.sha256()
    for path in images.paths():
        contents.update(path.read_bytes())
    source = images.ann_file
    return dict(
        command=command,
        config=str(cfg.filename),
        weights=dict(
            file=str(checkpoint),
            sha256=_sha256(Path(checkpoint).expanduser().read_bytes()),
        ),
        data=dict(
            source=str(source),
            source_sha256=None
            if source.is_dir()
            else _sha256(source.read_bytes()),
            images=len(images.coco['images']),
            images_prefix=str(images.prefix),
            images_sha256=contents.hexdigest(),
            with_truth=bool(images.coco['annotations']),
        ),
        classes={c['name']: c['id'] for c in images.coco['categories']},
        score_thr=score_thr,
        randomness=dict(cfg.get('randomness') or {}),
        versions=dict(
            python=platform.python_version(),
            mmdet_ddpm_moco=__version__,
            **{name: module_version(name) for name in REQUIRED},
            numpy=metadata.version('numpy'),
            pycocotools=metadata.version('pycocotools'),
        ),
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
