"""What a detector finds on its test images that another one misses."""

from pathlib import Path

from mmengine.config import Config

from ..evaluation.detection_matches import evaluate
from ..evaluation.gained_defects import GainedDefects, gained_defects
from ..evaluation.judge import dataset_classes
from ..visualization.training_samples import write_picture
from .submission_images import test_dataset, test_set


def check_comparable(cfg: Config, before: str | Path) -> None:
    """Checks detections before others are made to be compared with them.

    Args:
        cfg (Config): Of the detector that is to be tested.
        before (str | Path): Detections of another one, COCO results, json.

    Raises:
        FileNotFoundError: They, or the annotations, are missing.
        ValueError: They are none of the test images, or those have no
            annotations.
    """
    evaluate(test_set(cfg)[0], before)


def compare_detections(
    cfg: Config, before: str | Path, after: str | Path, picture: str | Path
) -> GainedDefects:
    """Compares detections of two detectors on the test images of a config.

    Args:
        cfg (Config): Of a detector; defects of its classes count.
        before (str | Path): COCO results, json.
        after (str | Path): Those of the other detector.
        picture (str | Path): PNG to write.

    Returns:
        GainedDefects: See
        :func:`~mmdet_ddpm_moco.evaluation.gained_defects.gained_defects`.
    """
    ann_file, prefix = test_set(cfg)
    classes = dataset_classes(test_dataset(cfg)) or None
    found = gained_defects(ann_file, before, after, classes)
    write_picture(picture, found.draw(prefix))
    return found
