"""Makes a config of MMDetection small: drawn images, a few steps, no network.

Kept as they are: model, losses, pipelines, wrappers of data sets, samplers,
loops and hooks.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from mmengine.config import Config

from benchmarks.detectors.data import (
    CLASSES,
    COCO,
    PREFIX,
    SEMANTIC,
    SIDE,
    VOC,
    as_panoptic,
)
from mmdet_ddpm_moco.engine.pipelines import config_dicts, type_name

# Sizes of images in pixels, in transforms and batch augmentations.
_SIZES = ('scale', 'img_scale', 'scales', 'crop_size', 'size')
_SYNC_NORMS = ('SyncBN', 'MMSyncBN', 'NaiveSyncBN')
# Deformable convolutions on P7, and 900 queries, need larger images.
_LARGE = ('DDODHead', 'DINOHead')


def shrink(cfg: Config, data: Path, work_dir: Path) -> list[str]:
    """Changes a detector's config in place.

    Args:
        cfg (Config): As it is shipped.
        data (Path): From :func:`write_data`.
        work_dir (Path): Of the run.

    Returns:
        list[str]: What was replaced because it needs GPUs or other data.
    """
    notes: list[str] = []
    cfg.work_dir = str(work_dir)
    cfg.load_from = None
    cfg.model.pop('init_cfg', None)
    for part in ('val', 'test'):
        for key in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{part}_{key}'] = None
    classes = _class_names(cfg.model)
    file = _write_annotations(data, classes, work_dir, _things(cfg))
    _point_at(cfg.train_dataloader, data, classes, file)
    _without_panopticapi(cfg.train_dataloader, notes)
    # SSD300 fits images of 300 pixels alone.
    anchors = (cfg.model.get('bbox_head') or {}).get('anchor_generator') or {}
    side = anchors.get('input_size', SIDE)
    if (cfg.model.get('bbox_head') or {}).get('type') in _LARGE:
        side = 3 * SIDE
    augments = [
        found.get('data_preprocessor') for found in config_dicts(cfg.model)
    ]
    for found in config_dicts([cfg.train_dataloader, augments, _hooks(cfg)]):
        _resize(found, side)
    for found in config_dicts(cfg.model):
        _without_sync(found, notes)
        # They would be downloaded.
        if type_name(found.get('init_cfg') or {}) == 'Pretrained':
            found['init_cfg'] = None
    cfg.train_dataloader.update(
        batch_size=2, num_workers=0, persistent_workers=False
    )
    cfg.train_dataloader.pop('pin_memory', None)
    sampler = cfg.train_dataloader.get('sampler', {})
    if 'batch_size' in sampler:
        sampler.update(batch_size=2, source_ratio=[1, 1])
    _shorten(cfg)
    wrapper = cfg.optim_wrapper
    if wrapper.type == 'AmpOptimWrapper':
        wrapper.type = 'OptimWrapper'
        for key in ('dtype', 'loss_scale'):
            wrapper.pop(key, None)
        notes.append('without AMP')
    cfg.auto_scale_lr = None
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.pop('visualization', None)
    cfg.visualizer = dict(type='Visualizer')
    return sorted(set(notes))


def _hooks(cfg: Config) -> list:
    return list(cfg.get('custom_hooks') or ())


def _class_names(model: dict) -> tuple[str, ...]:
    """As many as the heads expect; the first ones are those of the images."""
    things, stuff = [len(CLASSES)], [0]
    for found in config_dicts(model):
        if found.get('type') != 'FusedSemanticHead':  # classes of pixels
            things.append(found.get('num_classes', 0))
        things.append(found.get('num_things_classes', 0))
        stuff.append(found.get('num_stuff_classes', 0))
    number = max(things) + max(stuff)
    rest = (f'class {i}' for i in range(len(CLASSES), number))
    return (*CLASSES, *rest)


def _things(cfg: Config) -> int | None:
    """Of how many classes panoptic annotations tell instances, if they are."""
    if not any(
        type_name(found) == 'CocoPanopticDataset'
        for found in config_dicts(cfg.train_dataloader)
    ):
        return None
    heads = config_dicts(cfg.model)
    return max(head.get('num_things_classes', 0) for head in heads)


def _write_annotations(
    data: Path, classes: tuple[str, ...], work_dir: Path, things: int | None
) -> Path:
    """A json with all of the classes, which some data sets compare."""
    coco = json.loads((data / COCO).read_bytes())
    coco['categories'] = [dict(id=i, name=n) for i, n in enumerate(classes, 1)]
    if things is not None:
        coco = as_panoptic(coco, things)
    work_dir.mkdir(parents=True, exist_ok=True)
    file = work_dir.resolve() / COCO
    file.write_text(json.dumps(coco))
    return file


def _point_at(
    part: Any, data: Path, classes: tuple[str, ...], file: Path
) -> None:
    """Points every data set at the drawn images."""
    for found in config_dicts(part):
        if 'ann_file' not in found:
            continue
        found.update(data_root=f'{data}/', metainfo=dict(classes=classes))
        if type_name(found) == 'VOCDataset':
            found.ann_file = f'{VOC}/ImageSets/Main/trainval.txt'
            found.data_prefix = dict(sub_data_root=f'{VOC}/')
        else:
            found.ann_file = str(file)
            seg = (found.get('data_prefix') or {}).get('seg')
            found.data_prefix = dict(img=PREFIX)
            if seg is not None:
                found.data_prefix.seg = SEMANTIC
        for key in ('label_map_file', 'hierarchy_file'):
            found.pop(key, None)
        # VOC's, of boxes; those that are drawn are as small as the images.
        (found.get('filter_cfg') or {}).pop('bbox_min_size', None)


def _resize(found: dict, side: int) -> None:
    for key in _SIZES:
        value = found.get(key)
        if isinstance(value, (tuple, list)) and value:
            nested = isinstance(value[0], (tuple, list))
            if nested or isinstance(value[0], int):
                pair = (side, side)
                found[key] = [pair] * len(value) if nested else pair
    if type_name(found) == 'RandomAffine' and 'border' in found:
        found['border'] = (-side // 2, -side // 2)
    if type_name(found) == 'BatchSyncRandomResize':
        found['random_size_range'] = (side - 32, side)


def _without_panopticapi(part: Any, notes: list[str]) -> None:
    """PyPI does not have it; of its functions loading needs one alone."""
    needed = any(
        type_name(found) == 'LoadPanopticAnnotations'
        for found in config_dicts(part)
    )
    if not needed or find_spec('panopticapi') is not None:
        return
    package, utils = (ModuleType(f'panopticapi{p}') for p in ('', '.utils'))
    utils.rgb2id = lambda color: color.astype(np.int32) @ (1, 256, 256**2)
    package.utils = utils
    sys.modules.update({m.__name__: m for m in (package, utils)})
    notes.append('panopticapi: its rgb2id alone, of the check')


def _without_sync(found: dict, notes: list[str]) -> None:
    if found.get('type') in _SYNC_NORMS:
        found['type'] = 'BN'
        notes.append('BN for SyncBN')


def _shorten(cfg: Config) -> None:
    loop = cfg.train_cfg
    if loop.get('type') == 'IterBasedTrainLoop' or 'max_iters' in loop:
        loop.max_iters = 3
    else:
        loop.max_epochs = 1
    loop.val_interval = 10**6
    for key in ('dynamic_intervals', 'val_begin'):
        loop.pop(key, None)
