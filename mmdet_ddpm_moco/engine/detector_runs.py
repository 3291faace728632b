"""Trains and tests detectors by the command line tools.

Each run is a process of its own with a log, so that one that fails or is
killed does not end its caller.
"""

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from ..utils.errors import InputError
from ..utils.paths import shipped
from ..utils.run_logged import run_logged
from .inputs import fill_hooks
from .training import can_resume, is_finished, last_checkpoint

Command = Callable[..., float]


def train_to_end(
    file: Path,
    command: Command = run_logged,
    on_line: Callable[[str], None] | None = None,
    *,
    reuse: bool = True,
) -> Path:
    """Trains a config, unless its work folder holds the finished run.

    A run that was killed is resumed; what another one left is deleted, so
    that its checkpoints are not taken for those of this one. ``train.log`` is
    in the work folder; ``on_line`` is called with each of its lines. Without
    ``reuse`` a finished run is trained again: its stages are out of date, and
    their paths do not tell.

    Returns:
        Path: The last checkpoint.

    Raises:
        ChildProcessError: The tool failed.
        ValueError: The training did not end.
    """
    cfg = fill_hooks(Config.fromfile(file))
    folder = Path(cfg.work_dir)
    train = ['python', str(shipped('tools') / 'train.py'), str(file)]
    finished = is_finished(cfg) and last_checkpoint(folder) is not None
    if finished and reuse:
        print(f'{folder} is up to date, reused')
    else:
        if can_resume(cfg) and not finished:
            train.append('--resume')
        else:
            for kind in ('iter', 'epoch'):
                for old in folder.glob(f'{kind}_*.pth'):
                    old.unlink()
        command(train, folder / 'train.log', on_line=on_line)
    # The exit code is not enough: a killed run leaves no message.
    last = last_checkpoint(folder)
    if last is None or not is_finished(cfg):
        msg = f'the training in {folder} did not end; start this again'
        raise InputError(msg)
    return last


def detect(
    file: Path,
    checkpoint: str | Path,
    detections: Path,
    command: Command = run_logged,
    *,
    tta: bool = False,
) -> None:
    """Runs a detector on the test images of its config.

    Writes ``detections`` in the COCO results format, and ``test.log`` beside
    them. With ``tta`` in several views of each image, as ``--tta`` says.

    Raises:
        ChildProcessError: The tool failed.
    """
    tool = str(shipped('tools') / 'test.py')
    words = ['python', tool, str(file), str(checkpoint)]
    words += ['--out', str(detections), *(['--tta'] if tta else [])]
    command(words, detections.parent / 'test.log')
