"""A detector-like model and runs that take milliseconds."""

import itertools
from pathlib import Path

import torch
from mmdet.models.backbones import ResNet
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

_names = itertools.count()


@DATASETS.register_module()
class TinyImages(Dataset):
    def __init__(self, ann_file='', data_root='', sources=()):
        self.ann_file = ann_file
        self.data_root = data_root
        self.sources = list(sources)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return dict(inputs=torch.randn(3, 32, 32, generator=generator))


@METRICS.register_module()
class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {}


@MODELS.register_module()
class TinyDetector(BaseModel):
    def __init__(self, backbone, head=None, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        if not isinstance(backbone, nn.Module):
            backbone = MODELS.build(backbone)
        self.backbone = backbone
        self.bbox_head = nn.LazyConv2d(1, 1)
        backbone.eval()
        self.bbox_head(backbone(torch.zeros(1, 3, 32, 32))[-1])
        backbone.train()

    def forward(self, inputs, mode='tensor'):
        inputs = torch.stack(list(inputs))
        score = self.bbox_head(self.backbone(inputs)[-1]).mean()
        return dict(loss=score) if mode == 'loss' else [score]


@HOOKS.register_module()
class KeepStartHook(Hook):
    """Records the weights at the first training iteration."""

    priority = 'LOWEST'
    start = None

    def before_run(self, runner):
        KeepStartHook.start = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if KeepStartHook.start is None:
            KeepStartHook.start = {
                key: value.clone()
                for key, value in runner.model.backbone.state_dict().items()
            }


def resnet(depth=18, width=8, **kwargs):
    return ResNet(depth=depth, base_channels=width, **kwargs)


def random_weights(module, seed=0):
    """The module's state dict, with values that no initializer gives."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(value.shape, generator=generator) * 0.1 + 0.01
        if value.is_floating_point()
        else torch.full_like(value, 7 + seed)
        for key, value in module.state_dict().items()
    }


def save(weights, path):
    """Writes a checkpoint of a model with this backbone."""
    state_dict = {f'backbone.{key}': value for key, value in weights.items()}
    torch.save(dict(state_dict=state_dict), path)
    return str(path)


def make_runner(model, work_dir, hooks=(), lr=0.0, **kwargs):
    loader = dict(
        dataset=dict(type='TinyImages'),
        batch_size=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    kwargs.setdefault('train_dataloader', loader)
    kwargs.setdefault('train_cfg', dict(by_epoch=True, max_epochs=1))
    settings = dict(
        model=model,
        work_dir=str(work_dir),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr)),
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=dict(type='NoMetric'),
        custom_hooks=[*hooks, dict(type='KeepStartHook')],
        experiment_name=f'tiny{next(_names)}',
        **kwargs,
    )
    # Only a config is dumped; one cannot be made of a built model.
    if isinstance(model, dict):
        return Runner.from_cfg(Config(settings))
    return Runner(**settings)


def log_of(runner):
    for handler in runner.logger.handlers:
        handler.flush()
    path = Path(runner.log_dir) / f'{runner.timestamp}.log'
    return path.read_text(encoding='utf-8')
