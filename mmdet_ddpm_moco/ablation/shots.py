"""The labeled images that a seed draws."""

import json
from pathlib import Path

from ..conversion.boxes import main_classes
from ..conversion.splits import few_shot_subsets
from ..utils.checks import check_annotations
from ..utils.fileio import atomic_write_bytes
from .experiment import ALL, Experiment


def shots_name(experiment: Experiment, shots: int | str, seed: int) -> str:
    """Annotations of drawn shots, relative to the data root."""
    file = Path(experiment.shots_ann_file)
    return str(file.with_name(f'train_{shots}_seed_{seed}.json'))


def write_shots(experiment: Experiment, shots: int | str, seed: int) -> Path:
    """Draws ``shots`` images per class and writes their COCO annotations.

    A larger number of shots includes the images of a smaller one; ``ALL``
    are all images of the pool, also those without boxes.

    Returns:
        Path: The file, the same bytes each time.

    Raises:
        FileNotFoundError: There are no annotations to draw from.
        ValueError: A class has too few images.
    """
    check_annotations(experiment.pool, ', from which the shots are drawn')
    coco = json.loads(experiment.pool.read_bytes())
    drawn = coco if shots == ALL else _draw(coco, int(shots), seed)
    file = experiment.data_root / shots_name(experiment, shots, seed)
    atomic_write_bytes(file, json.dumps(drawn).encode())
    return file


def _draw(coco: dict, shots: int, seed: int) -> dict:
    classes = [c['name'] for c in coco['categories']]
    names = few_shot_subsets(main_classes(coco), classes, [shots], seed)
    images = [i for i in coco['images'] if i['file_name'] in names[shots]]
    ids = {image['id'] for image in images}
    kept = [a for a in coco['annotations'] if a['image_id'] in ids]
    return dict(coco, images=images, annotations=kept)
