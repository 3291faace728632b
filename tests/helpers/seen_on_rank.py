"""A hook that writes what a rank's training has got."""

import json
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class SeenOnRank(Hook):
    """Writes ``rank<number>.json`` into the work folder.

    It has ``boxes``, the number of each image, and ``weights``, whether the
    backbone starts from those of a file.

    Args:
        checkpoint (str): The file.
    """

    priority = 'LOWEST'

    def __init__(self, checkpoint):
        self.expected = torch.load(checkpoint, weights_only=True)['state_dict']
        self.seen = dict(boxes=[])

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for sample in data_batch['data_samples']:
            self.seen['boxes'].append(len(sample.gt_instances))
        if 'weights' not in self.seen:
            model = runner.model
            inner = model.module if is_model_wrapper(model) else model
            state = inner.backbone.state_dict()
            self.seen['weights'] = all(
                torch.equal(state[key.removeprefix('backbone.')], value)
                for key, value in self.expected.items()
            )

    def after_train(self, runner):
        file = Path(runner.work_dir, f'rank{get_rank()}.json')
        file.write_text(json.dumps(self.seen))
