"""What teachers cost, told before they train and as soon as it is known."""

import time
from datetime import timedelta

from mmengine.config import Config

from ..teacher.settings import TeacherOptions
from ..utils.run_logged import time_left
from .image_sets import ImageSet


def cost_line(
    teacher: Config,
    labeled: ImageSet,
    unlabeled: ImageSet,
    options: TeacherOptions,
) -> str:
    """What all teachers will do, in one line."""
    loop = teacher.train_cfg
    unit = 'iterations' if 'max_iters' in loop else 'epochs'
    length = loop['max_iters' if unit == 'iterations' else 'max_epochs']
    total = len(labeled.coco['images'])
    shown = round(total * (options.folds - 1) / options.folds)
    return (
        f'teachers: {options.folds} x {length} {unit}, each on about {shown} '
        f'of {total} labeled images; then '
        f'{options.folds * len(options.flips)} views of each of '
        f'{len(unlabeled.coco["images"])} others'
    )


class TimeLeft:
    """Tells once, early in the first training, how long all of them take.

    Args:
        teachers (int): To be trained.
    """

    def __init__(self, teachers: int) -> None:
        self.later = teachers
        self._start = 0.0
        self._told = False

    def begin(self) -> None:
        """Starts the clock of the next teacher."""
        self.later -= 1
        self._start = time.monotonic()

    def hear(self, line: str) -> None:
        """Reads a line of the teacher's log."""
        own = time_left(line)
        if own is None or self._told:
            return
        self._told = True
        whole = time.monotonic() - self._start + own
        total = timedelta(seconds=round(own + self.later * whole))
        text = f'teachers: about {total} left until all are trained'
        print(f'\r{text:<78}', flush=True)
