"""Contrastive training, as small as it gets."""

from mmengine.config import Config

from helpers.tiny_moco import CONFIG as MODEL
from helpers.tiny_synthesis import write_images

OPTIM = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))


def write_pretrain(root, **changes):
    """A config file of three images; ``changes`` are top-level settings."""
    ann_file, folder = write_images(root / 'data')
    source = dict(
        ann_file=str(ann_file), img_prefix=str(folder), dataset_ids='image'
    )
    dataset = dict(
        type='mmdet_ddpm_moco.ContrastiveDataset',
        sources=[source],
        pipeline=[dict(type='mmdet_ddpm_moco.TwoViews', scale=32)],
    )
    config = dict(
        model=MODEL,
        optim_wrapper=OPTIM,
        train_dataloader=dict(batch_size=4, dataset=dataset),
        **changes,
    )
    file = root / 'moco.py'
    Config(config).dump(file)
    return file
