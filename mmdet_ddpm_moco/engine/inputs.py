"""What a config reads: annotations, images, defect banks, checkpoints."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..datasets.contrastive_dataset import read_source
from ..utils.image_files import image_files
from .pipelines import TRANSFORM, config_dicts, config_pipelines, type_name

HOOK = 'DDPMMoCoHook'
# Its arguments that stages make, in the order in which admission judges them.
PARTS = ('checkpoint', 'scenes', 'bank')


def stages_root(cfg: Config) -> Path:
    """Folder of the stages' outputs: ``stages.root`` or the work folder."""
    stages = cfg.get('stages') or {}
    return Path(stages.get('root') or cfg.get('work_dir') or 'work_dirs')


def stage_outputs(cfg: Config) -> dict[str, str]:
    """The arguments of :class:`DDPMMoCoHook` that the stages make.

    Returns:
        dict[str, str]: ``bank``, ``checkpoint`` and ``scenes``, where the
        config has the stage that makes it.
    """
    stages, root = cfg.get('stages') or {}, stages_root(cfg)
    made = {}
    if stages.get('bank'):
        made['bank'] = str(root / 'bank')
    if stages.get('backbone'):
        made['checkpoint'] = str(root / 'moco' / 'backbone.pth')
    if stages.get('teacher'):
        made['scenes'] = str(root / 'scenes')
    return made


def fill_hooks(cfg: Config) -> Config:
    """Gives a hook without inputs of its own what the stages make.

    Returns:
        Config: The same, changed.
    """
    for hook in own_hooks(cfg):
        if type_name(hook) == HOOK and not {*PARTS} & {*hook}:
            hook.update(stage_outputs(cfg))
    return cfg


def hook_configs(cfg: Config) -> list[dict]:
    """The hooks of a config: ``default_hooks``, then ``custom_hooks``.

    The former are a dict, so that a command line can add one to it:
    ``--cfg-options default_hooks.ddpm_moco.type=...``.
    """
    named = cfg.get('default_hooks') or {}
    hooks = [*named.values(), *(cfg.get('custom_hooks') or ())]
    return [hook for hook in hooks if isinstance(hook, dict)]


def inputs_of(cfg: Config) -> tuple[set[str], set[str]]:
    """Folders of banks and files of checkpoints that a detector reads."""
    hooks = own_hooks(cfg)
    banks = {hook['bank'] for hook in hooks if hook.get('bank')}
    return banks | pipeline_banks(cfg), {
        hook['checkpoint'] for hook in hooks if hook.get('checkpoint')
    }


def pipeline_banks(cfg: Config) -> set[str]:
    """Folders of the banks that a detector's own pipelines read."""
    return {t['bank'] for t in own_transforms(cfg) if t.get('bank')}


def scenes_of(cfg: Config) -> set[str]:
    """Folders of the scenes that a detector reads."""
    hooks = [h for h in hook_configs(cfg) if type_name(h) == HOOK]
    parts = [*hooks, *own_transforms(cfg)]
    return {part['scenes'] for part in parts if part.get('scenes')}


def own_transforms(cfg: Config) -> list[dict]:
    """Our transform, wherever a detector's own pipelines have it."""
    # A PipelineSwitchHook has a pipeline of its own.
    parts = [cfg.get('train_dataloader'), *hook_configs(cfg)]
    return [
        transform
        for pipeline in config_pipelines(parts)
        for transform in pipeline
        if type_name(transform) == TRANSFORM
    ]


def allows_leakage(cfg: Config) -> bool:
    """Whether a detector may be tested on images of its pretraining."""
    return any(hook.get('allow_leakage') for hook in own_hooks(cfg))


def own_hooks(cfg: Config) -> list[dict]:
    """The hooks of a config that give a bank, scenes or weights."""
    return [
        hook
        for hook in hook_configs(cfg)
        if type_name(hook) in (HOOK, 'ContrastiveInitHook')
    ]


def reads(hook: Mapping, part: str, output: str) -> bool:
    """Whether a hook takes a part from a path, however it is spelled."""
    given = hook.get(part) or ''
    return given != '' and Path(given).resolve() == Path(output).resolve()


def drop_checkpoint(cfg: Config, checkpoint: str) -> None:
    """Has a config not read a checkpoint, in place."""
    for hook in own_hooks(cfg):
        if reads(hook, 'checkpoint', checkpoint):
            del hook['checkpoint']
    remove_empty_hooks(cfg)


def remove_empty_hooks(cfg: Config) -> None:
    """Removes our hooks that have nothing left to give, in place.

    Without arguments a hook would take all that the stages make.
    """
    empty = [h for h in own_hooks(cfg) if not {*PARTS} & {*h}]
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks') or ()
        if not any(hook is other for other in empty)
    ]
    named = cfg.get('default_hooks') or {}
    for name, hook in list(named.items()):
        if any(hook is other for other in empty):
            del named[name]


def ann_files(part: Any) -> Iterator[str]:
    """Paths of all local annotation files in a part of a config."""
    for found in config_dicts(part):
        name, root = found.get('ann_file'), found.get('data_root') or ''
        if isinstance(name, str) and name and '://' not in root + name:
            yield str(Path(root) / name)


def images_of(part: Any) -> Iterator[Path]:
    """Files of all images in a part of a config.

    Those of the COCO jsons, tables and folders that it names. Other files,
    such as the lists of VOC, name none here.
    """
    for source in config_dicts(part):
        if source.get('table'):
            yield from (s.path for s in read_source(source).samples)
        folder = source.get('img_folder')
        if folder:
            yield from image_files(Path(folder))
        file = source.get('ann_file')
        if not isinstance(file, str) or not file:
            continue
        root = Path(source.get('data_root') or '')
        prefix = source.get('img_prefix')
        if prefix is None:
            prefix = root / (source.get('data_prefix') or {}).get('img', '')
        # A planned bank does not exist yet; it adds no images to those of
        # its generator.
        if (root / file).is_file():
            for name in _file_names(root / file):
                yield Path(prefix) / name


def _file_names(file: Path) -> Iterator[str]:
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        return
    images = content.get('images') if isinstance(content, dict) else None
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and image.get('file_name'):
            yield image['file_name']
