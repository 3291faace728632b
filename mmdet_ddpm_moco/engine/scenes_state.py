"""What scenes are made from, recorded beside them.

It says whether they are up to date, and whether their teachers are: other
flips need no other teachers.
"""

import hashlib
from dataclasses import asdict
from typing import Any

from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config

from ..teacher.settings import TeacherOptions
from ..utils.provenance import contents_digest, fingerprints
from ..utils.stable_json import stable_json
from .image_sets import ImageSet
from .training import training_fingerprint


def scenes_state(
    teacher: Config,
    labeled: ImageSet,
    unlabeled: ImageSet,
    options: TeacherOptions,
    *,
    finished: bool,
) -> dict[str, Any]:
    """The record, kept in ``training.STAGE_FILE`` of the scenes' folder.

    Args:
        teacher (Config): From :func:`teacher_config`.
        labeled (ImageSet): What teachers learn from.
        unlabeled (ImageSet): What they label.
        options (TeacherOptions): How.
        finished (bool): Whether the scenes are written.

    Returns:
        dict: ``teachers`` (str), a hash of what they are trained from: their
        config, labels, images and initial weights; ``fingerprint`` (str), of
        all that the scenes depend on; ``finished`` (bool).

    Raises:
        FileNotFoundError: The labels are missing.
    """
    teachers = _digest(
        training_fingerprint(teacher),
        contents_digest(labeled.paths()),
        options.folds,
        options.seed,
    )
    contents = fingerprints(unlabeled.paths())
    fingerprint = _digest(
        teachers,
        asdict(options),
        get_test_pipeline_cfg(teacher),
        str(unlabeled.prefix.resolve()),
        unlabeled.coco['images'],
        {path: found.content for path, found in contents.items()},
    )
    return dict(teachers=teachers, fingerprint=fingerprint, finished=finished)


def _digest(*parts: Any) -> str:
    text = stable_json(parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
