"""The generator on disk: a plain diffusers folder and one json of ours.

``DDPMPipeline.from_pretrained(folder)`` loads the folder too. What synthesis
needs beyond it (class names, window) stands in ``defect_ddpm.json``.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from mmengine.config import Config
from safetensors import SafetensorError

from ..models.conditioning import CLASS, MASK, NONE
from ..utils.errors import InputError, MissingFileError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import FILE, Record, read_record, record_bytes

EXTRA = 'defect_ddpm.json'
# 2: windows are in units of their ground's contrast. 3: which is taken from
# quantiles, and the fading rim is hidden.
FORMAT_VERSION = 3


@dataclass
class Generator:
    """A trained generator, ready to sample.

    Attributes:
        unet (UNet2DModel): In eval mode, channels last in memory.
        scheduler (DDPMScheduler): The schedule it was trained with.
        classes (tuple[str, ...]): Class names; ``background`` comes after.
        window (int): Side of its training windows in pixels.
        fingerprint (str): Hash of everything above.
        images_seen (dict | None): Record of the images it was trained on;
            None if none was kept.
    """

    unet: UNet2DModel
    scheduler: DDPMScheduler
    classes: tuple[str, ...]
    window: int
    fingerprint: str
    images_seen: Record | None = None

    @property
    def channels(self) -> int:
        """Channels of the windows: 1 or 3."""
        return self.unet.config.out_channels

    @property
    def conditioning(self) -> str:
        """What the U-Net is told: ``'mask'``, ``'class'`` or ``'none'``."""
        if self.unet.config.num_class_embeds is None:
            return NONE
        plain = self.unet.config.in_channels == self.channels
        return CLASS if plain else MASK

    @property
    def null_label(self) -> int | None:
        """Label of windows whose class is hidden; None if it has none."""
        label = len(self.classes) + 1
        known = self.unet.config.num_class_embeds
        return label if known is not None and known > label else None

    @property
    def multiple(self) -> int:
        """What the sides of a window must be multiples of."""
        return 2 ** (len(self.unet.config.block_out_channels) - 1)


def save_generator(
    folder: str | Path,
    unet: torch.nn.Module,
    scheduler: DDPMScheduler,
    *,
    classes: Sequence[str],
    window: int,
    images_seen: Record | None = None,
) -> Path:
    """Writes a generator, replacing an older one in one step.

    Args:
        folder (str | Path): The folder to write.
        unet (nn.Module): A ``UNet2DModel``.
        scheduler (DDPMScheduler): The training schedule.
        classes (Sequence[str]): Class names, without ``background``.
        window (int): Side of the training windows in pixels.
        images_seen (dict | None): Record of the training images, see
            ``record_images``. Defaults to None, no record is kept.

    Returns:
        Path: ``folder``.
    """
    folder = Path(folder)
    unfinished = folder.with_name(folder.name + '.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    DDPMPipeline(unet=unet, scheduler=scheduler).save_pretrained(
        unfinished, safe_serialization=True
    )
    extra = dict(
        format_version=FORMAT_VERSION, classes=list(classes), window=window
    )
    (unfinished / EXTRA).write_text(json.dumps(extra, indent=2) + '\n')
    if images_seen is not None:
        atomic_write_bytes(unfinished / FILE, record_bytes(images_seen))
    old = folder.with_name(folder.name + '.old')
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        shutil.move(folder, old)
    try:
        unfinished.replace(folder)
    except BaseException:
        if old.exists():
            shutil.move(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return folder


def load_generator(folder: str | Path) -> Generator:
    """Reads a generator that :func:`save_generator` wrote.

    Args:
        folder (str | Path): Its folder.

    Returns:
        Generator: On the CPU, in eval mode, channels last.

    Raises:
        FileNotFoundError: There is no generator.
        ValueError: It is damaged or of a newer format.
    """
    folder = Path(folder)
    if not (folder / EXTRA).is_file():
        msg = (
            f'no generator at {folder} ({EXTRA} is missing); train one '
            'with tools/train.py and a config of configs/ddpm'
        )
        raise MissingFileError(msg)
    try:
        extra = json.loads((folder / EXTRA).read_text())
        version = extra['format_version']
        if version > FORMAT_VERSION:
            msg = (
                f'{folder} has format {version}, this version reads up to '
                f'{FORMAT_VERSION}; upgrade mmdet-ddpm-moco'
            )
            raise InputError(msg)
        if version < FORMAT_VERSION:
            msg = (
                f'{folder} has the older format {version}, which this '
                'version cannot sample; train the generator again'
            )
            raise InputError(msg)
        classes, window = tuple(extra['classes']), extra['window']
        unet, info = UNet2DModel.from_pretrained(
            folder / 'unet',
            use_safetensors=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        if info['missing_keys']:
            raise KeyError(info['missing_keys'][0])
        scheduler = DDPMScheduler.from_pretrained(folder / 'scheduler')
    except (
        OSError,
        KeyError,
        TypeError,
        RuntimeError,
        SafetensorError,
        json.JSONDecodeError,
    ) as error:
        first = (str(error).splitlines() or [''])[0]
        msg = (
            f'the generator at {folder} is damaged, export it again: '
            f'{type(error).__name__} {first}'
        )
        raise InputError(msg) from error
    digest = hashlib.sha256()
    for file in sorted(folder.rglob('*')):
        # What it was trained on changes nothing of what it paints.
        if file.suffix in ('.json', '.safetensors') and file.name != FILE:
            digest.update(file.read_bytes())
    return Generator(
        # Its convolutions are faster in this layout.
        unet.eval().to(memory_format=torch.channels_last),
        scheduler,
        classes,
        window,
        digest.hexdigest()[:16],
        read_record(folder),
    )


def training_images(cfg: Config) -> dict[str, Any]:
    """Finds the training images of a generator.

    Args:
        cfg (Config): A config of configs/ddpm or made from one.

    Returns:
        dict: ``ann_file``, ``img_prefix`` and ``channels``, as
        ``LabeledImages`` takes them.

    Raises:
        ValueError: It is no such config.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if not dataset.get('ann_file') or not dataset.get('img_prefix'):
        msg = (
            f'{cfg.filename} is no config of a generator (configs/ddpm): it '
            'lacks train_dataloader.dataset with ann_file and img_prefix'
        )
        raise InputError(msg)
    return dict(
        ann_file=dataset['ann_file'],
        img_prefix=dataset['img_prefix'],
        channels=dataset.get('channels', 1),
    )
