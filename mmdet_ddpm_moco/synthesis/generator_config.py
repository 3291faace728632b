"""What a generator's config says of its training images."""

from typing import Any

from mmengine.config import Config


def training_images(cfg: Config) -> dict[str, Any]:
    """Finds the training images of a generator.

    Args:
        cfg (Config): A config of configs/ddpm or made from one.

    Returns:
        dict: ``ann_file``, ``img_prefix`` and ``channels``, as
        ``LabelledImages`` takes them.

    Raises:
        ValueError: It is no such config.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if not dataset.get('ann_file') or not dataset.get('img_prefix'):
        msg = (
            f'{cfg.filename} is no config of a generator (configs/ddpm): it '
            'lacks train_dataloader.dataset with ann_file and img_prefix'
        )
        raise ValueError(msg)
    return dict(
        ann_file=dataset['ann_file'],
        img_prefix=dataset['img_prefix'],
        channels=dataset.get('channels', 1),
    )
