"""Training and testing detectors by the ordinary tools.

Each in a process of its own, so that one that fails or is killed takes
nothing with it, and what it says is in a log.
"""

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from ..utils.errors import InputError
from ..utils.paths import shipped
from ..utils.run_logged import run_logged
from .training import can_resume, is_finished

Command = Callable[..., float]


def train_to_end(
    file: Path,
    command: Command = run_logged,
    on_line: Callable[[str], None] | None = None,
) -> Path:
    """Trains a config, unless its work folder holds the finished run.

    A run that was killed goes on where it was.

    Args:
        file (Path): The config; with a ``work_dir``, where ``train.log``
            goes, too.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.
        on_line (Callable | None): Called with each line of the log.
            Defaults to None.

    Returns:
        Path: The last checkpoint.

    Raises:
        ChildProcessError: The tool failed.
        ValueError: The training did not end.
    """
    # As the tool will read it.
    cfg = Config.fromfile(file)
    folder = Path(cfg.work_dir)
    train = ['python', str(shipped('tools') / 'train.py'), str(file)]
    if not is_finished(cfg):
        if can_resume(cfg):
            train.append('--resume')
        command(train, folder / 'train.log', on_line=on_line)
    # What the tool said is not enough: a killed run says nothing.
    if not is_finished(cfg):
        msg = f'the training in {folder} did not end; start this again'
        raise InputError(msg)
    return Path((folder / 'last_checkpoint').read_text().strip())


def detect(
    file: Path,
    checkpoint: str | Path,
    detections: Path,
    command: Command = run_logged,
) -> None:
    """Lets a detector loose on the test images of its config.

    Args:
        file (Path): The config.
        checkpoint (str | Path): Weights of the whole detector.
        detections (Path): Where they go, in the COCO results format; beside
            it ``test.log``.
        command (Callable): Runs a tool. Defaults to :func:`run_logged`.

    Raises:
        ChildProcessError: The tool failed.
    """
    tool = str(shipped('tools') / 'test.py')
    command(
        ['python', tool, str(file), str(checkpoint), '--out', str(detections)],
        detections.parent / 'test.log',
    )
