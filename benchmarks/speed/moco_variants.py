"""MoCo of this package, mmpretrain and lightly with the same networks."""

import copy
import os
from collections.abc import Callable, Mapping

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

INSTALL_LIGHTLY = 'not installed: pip install --no-deps lightly==1.5.22'


def build_ours(model: Mapping) -> BaseModel:
    """The model of a config, a ``DatasetMoCo``."""
    return MODELS.build(copy.deepcopy(dict(model))).train()


def build_mmpretrain(model: Mapping) -> BaseModel:
    """MoCo of mmpretrain, with all settings that both have."""
    shared = (
        'backbone',
        'neck',
        'queue_len',
        'feat_dim',
        'momentum',
        'data_preprocessor',
    )
    config = {key: model[key] for key in shared if key in model}
    head = dict(
        type='ContrastiveHead',
        loss=dict(type='CrossEntropyLoss'),
        temperature=_temperature(model),
    )
    return MODELS.build(
        dict(type='mmpretrain.MoCo', head=head, **copy.deepcopy(config))
    ).train()


def build_lightly(model: Mapping) -> BaseModel:
    """MoCo of lightly.

    Raises:
        ImportError: There is no lightly.
    """
    # Otherwise it asks a server for its newest version.
    os.environ.setdefault('LIGHTLY_DID_VERSION_CHECK', 'True')
    from lightly.loss import NTXentLoss
    from lightly.models.utils import (
        batch_shuffle,
        batch_unshuffle,
        update_momentum,
    )

    class LightlyMoCo(BaseModel):
        """As lightly's own example of MoCo v2."""

        def __init__(self) -> None:
            super().__init__(copy.deepcopy(model.get('data_preprocessor')))
            parts = [copy.deepcopy(model[k]) for k in ('backbone', 'neck')]
            self.encoder = nn.Sequential(*map(MODELS.build, parts))
            self.key_encoder = copy.deepcopy(self.encoder)
            self.key_encoder.requires_grad_(False)
            self.criterion = NTXentLoss(
                temperature=_temperature(model),
                memory_bank_size=(
                    model.get('queue_len', 8192),
                    model.get('feat_dim', 128),
                ),
            )
            self.momentum = model.get('momentum', 0.001)

        def forward(
            self, inputs: list[Tensor], data_samples: object, mode: str
        ) -> dict[str, Tensor]:
            update_momentum(
                self.encoder, self.key_encoder, m=1 - self.momentum
            )
            query = self.encoder(inputs[0])[0]
            with torch.no_grad():
                images, shuffle = batch_shuffle(inputs[1])
                keys = self.key_encoder(images)[0]
                keys = batch_unshuffle(keys, shuffle)
            return dict(loss=self.criterion(query, keys))

    with torch.no_grad():
        return LightlyMoCo().train()


def _temperature(model: Mapping) -> float:
    return model['head']['loss'].get('temperature', 0.07)


def random_batch(batch: int, side: tuple[int, int]) -> dict:
    """Two views of noise, uint8 (B, 3, H, W), each its own dataset."""
    source = torch.Generator().manual_seed(0)
    shape = (2, batch, 3, *side)
    views = torch.randint(256, shape, dtype=torch.uint8, generator=source)
    ids = [dict(dataset_id=i, image_id=i) for i in range(batch)]
    samples = [DataSample(metainfo=pair) for pair in ids]
    return dict(inputs=list(views), data_samples=samples)


def training_step(
    model: BaseModel, optim: Mapping, data: dict
) -> tuple[Callable[[], dict], OptimWrapper]:
    """A step as in MMEngine's training loop.

    Args:
        model (BaseModel): In train mode.
        optim (Mapping): Config of its optimizer and wrapper.
        data (dict): A batch.

    Returns:
        tuple[Callable, OptimWrapper]: A call that runs a step and returns its
        losses; the wrapper that it uses.
    """
    wrapper = build_optim_wrapper(model, copy.deepcopy(dict(optim)))
    wrapper.initialize_count_status(model, 0, 10**6)

    def step() -> dict:
        return model.train_step(dict(data), wrapper)

    return step, wrapper
