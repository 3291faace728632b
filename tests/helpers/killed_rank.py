"""A hook that kills its process in the middle of a run."""

import os
import time
from pathlib import Path
from signal import SIGKILL

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KilledRank(Hook):
    """Kills the rank named by ``KILLED_RANK``, and notes when.

    Args:
        at (int): Before this iteration.
    """

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if (
            os.environ.get('KILLED_RANK') == os.environ.get('RANK', '0')
            and runner.iter == self.at
        ):
            Path(runner.work_dir, 'killed').write_text(str(time.time()))
            os.kill(os.getpid(), SIGKILL)
