"""The generator on disk: a plain diffusers folder and one more json.

``DDPMPipeline.from_pretrained(folder)`` loads the folder too. What synthesis
needs in addition (class names, window) is in ``defect_ddpm.json``.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

# diffusers 0.28 uses safetensors.torch, but leaves its import to others.
import safetensors.torch
import torch
from diffusers import DDPMPipeline, DDPMScheduler, ModelMixin

from ..models.conditioning import CLASS, MASK, NONE
from ..models.denoiser import denoiser_class, side_multiple
from ..utils.errors import InputError, MissingFileError, StackError
from ..utils.fileio import atomic_write_bytes
from ..utils.provenance import FILE, Record, read_record, record_bytes

EXTRA = 'defect_ddpm.json'
# 2: windows are in units of their background's contrast. 3: which is measured
# by quantiles, and the fading rim is masked.
FORMAT_VERSION = 3


@dataclass
class Generator:
    """A trained generator, ready to sample."""

    unet: ModelMixin  # in eval mode, channels last in memory
    scheduler: DDPMScheduler  # the schedule it was trained with
    classes: tuple[str, ...]  # `background` comes after
    window: int  # side of its training windows in pixels
    fingerprint: str  # hash of everything above
    provenance: Record | None = None  # of its training images, if kept

    @property
    def channels(self) -> int:
        """Channels of the windows: 1 or 3."""
        return self.unet.config.out_channels

    @property
    def conditioning(self) -> str:
        """The U-Net's condition: ``'mask'``, ``'class'`` or ``'none'``."""
        if self.unet.config.num_class_embeds is None:
            return NONE
        masked = self.unet.config.in_channels != self.channels
        return MASK if masked else CLASS

    @property
    def null_label(self) -> int | None:
        """Label of "without class"; None if it was trained without one."""
        label = len(self.classes) + 1
        return (
            label if (self.unet.config.num_class_embeds or 0) > label else None
        )

    @property
    def multiple(self) -> int:
        """Number that the sides of a window must be multiples of."""
        return side_multiple(self.unet)


def save_generator(
    folder: str | Path,
    unet: torch.nn.Module,
    scheduler: DDPMScheduler,
    *,
    classes: Sequence[str],
    window: int,
    provenance: Record | None = None,
) -> Path:
    """Writes a generator; an older one is kept until it is complete.

    Args:
        folder (str | Path): The folder to write, and to return.
        unet (nn.Module): From :func:`build_denoiser`.
        scheduler (DDPMScheduler): The training schedule.
        classes (Sequence[str]): Class names, without ``background``.
        window (int): Side of the training windows in pixels.
        provenance (dict | None): From :func:`record_images`, of the training
            images. Defaults to None, without a record.
    """
    folder = Path(folder)
    unfinished = folder.with_name(folder.name + '.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    DDPMPipeline(unet=_contiguous(unet), scheduler=scheduler).save_pretrained(
        unfinished, safe_serialization=True
    )
    extra = dict(
        format_version=FORMAT_VERSION, classes=list(classes), window=window
    )
    (unfinished / EXTRA).write_text(json.dumps(extra, indent=2) + '\n')
    if provenance is not None:
        atomic_write_bytes(unfinished / FILE, record_bytes(provenance))
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


def _contiguous(unet: torch.nn.Module) -> torch.nn.Module:
    """The U-Net, or a copy: safetensors refuses the channels-last layout.

    Newer versions of diffusers make tensors contiguous themselves.
    """
    if all(x.is_contiguous() for x in unet.state_dict().values()):
        return unet
    return deepcopy(unet).to(memory_format=torch.contiguous_format)


def load_generator(folder: str | Path) -> Generator:
    """Reads a generator from the folder of :func:`save_generator`.

    Returns:
        Generator: On the CPU, in eval mode, channels last.

    Raises:
        FileNotFoundError: There is no generator.
        ValueError: It is damaged or of a newer format.
        StackError: The library of its U-Net is not installed.
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
        if version != FORMAT_VERSION:
            action = (
                'upgrade mmdet-ddpm-moco'
                if version > FORMAT_VERSION
                else 'train the generator again'
            )
            msg = (
                f'{folder} has format {version}, this version reads only '
                f'{FORMAT_VERSION}; {action}'
            )
            raise InputError(msg)
        classes, window = tuple(extra['classes']), extra['window']
        saved = json.loads((folder / 'unet' / 'config.json').read_text())
        unet, info = denoiser_class(saved['_class_name']).from_pretrained(
            folder / 'unet',
            use_safetensors=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        if info['missing_keys']:
            raise KeyError(info['missing_keys'][0])
        scheduler = DDPMScheduler.from_pretrained(folder / 'scheduler')
    except StackError:
        raise  # a RuntimeError too, but the files are all right
    except (
        OSError,
        KeyError,
        TypeError,
        RuntimeError,
        safetensors.SafetensorError,
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
        # The record of its training images does not influence its samples.
        if file.suffix in ('.json', '.safetensors') and file.name != FILE:
            digest.update(file.read_bytes())
    return Generator(
        # Convolutions are faster in this layout.
        unet.eval().to(memory_format=torch.channels_last),
        scheduler,
        classes,
        window,
        digest.hexdigest()[:16],
        read_record(folder),
    )
