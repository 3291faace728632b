"""Puts the transform into a training that is built already."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from ..datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from ..utils.errors import InputError
from .inputs import hook_configs
from .pipelines import (
    config_pipelines,
    insert_config,
    loading_datasets,
    loads_annotations,
    type_name,
)
from .training_set_checks import augment_of, check_classes


def insert_transform(
    dataset: Any, settings: Mapping[str, Any], log: Callable[[str], None]
) -> tuple[list[Any], int]:
    """Inserts it after ``LoadAnnotations`` of each data set.

    Args:
        dataset (BaseDataset): Built, in any wrappers.
        settings (Mapping): Arguments of the transform.
        log (Callable): Takes a line about each pipeline.

    Returns:
        tuple[list, int]: The data sets inside that load annotations, in
        order, and into how many of them it was inserted: those that have it
        already are left as they are.

    Raises:
        ValueError: None loads annotations, one has another bank or other
            scenes, or classes in another order than its file.
    """
    datasets = loading_datasets(dataset)
    if not datasets:
        msg = (
            'no training pipeline has LoadAnnotations, after which '
            'DDPMMoCoHook inserts DiffusionDefectAugment; add it'
        )
        raise InputError(msg)
    for inner in datasets:
        check_classes(inner)
    inserted = [_insert(d, settings, log) for d in datasets]
    return datasets, sum(inserted)


def _insert(
    dataset: Any, settings: Mapping[str, Any], log: Callable[[str], None]
) -> bool:
    own = augment_of(dataset)
    if own is not None:
        for part, opened in (
            ('bank', own.bank),
            ('scenes', own.scene_swap and own.scene_swap.scenes),
        ):
            wanted = settings.get(part)
            if wanted is not None and (
                not opened or opened.root.resolve() != Path(wanted).resolve()
            ):
                msg = (
                    f'a training pipeline has {own} already, so that '
                    f'{part}={wanted!r} of DDPMMoCoHook would not be '
                    'used; give bank and scenes in one place alone'
                )
                raise InputError(msg)
        return False
    transform = DiffusionDefectAugment(
        **settings, classes=dataset.metainfo['classes']
    )
    at = loads_annotations(dataset)
    assert at is not None
    dataset.pipeline.transforms.insert(at + 1, transform)
    log(
        f'DDPMMoCoHook: inserted {transform} after LoadAnnotations of '
        f'the training {type(dataset).__name__}'
    )
    return True


def change_config(runner: Runner, cfg: dict, classes: list[list[str]]) -> None:
    """Has the dumped config hold the pipelines that are run.

    Args:
        runner (Runner): Its config is changed and dumped.
        cfg (dict): Of the transform, without ``classes``.
        classes (list): Those of each data set that loads annotations.
    """
    order = iter(classes)
    for pipeline in config_pipelines(runner.cfg.get('train_dataloader')):
        if any(type_name(t) == 'LoadAnnotations' for t in pipeline):
            own = next(order, classes[0])
            insert_config(pipeline, dict(cfg, classes=own))
    for pipeline in config_pipelines(hook_configs(runner.cfg)):
        insert_config(pipeline, dict(cfg, classes=classes[0]))
    runner.dump_config()
    runner.message_hub.update_info('cfg', runner.cfg.pretty_text)


def restart_workers(runner: Runner) -> Any:
    """Gives workers that already run the new pipeline.

    MMEngine before 0.10.8 calls ``iter()`` on the loader when it builds
    an iteration-based loop.

    Args:
        runner (Runner): With the new pipeline in its data set.

    Returns:
        Any: The iterator that was replaced, if any. It is to be kept.
    """
    iterator: Any = getattr(runner.train_loop, 'dataloader_iterator', None)
    if getattr(iterator, '_iterator', None) is None:
        return None
    runner.train_dataloader._iterator = None
    runner.train_loop.dataloader_iterator = type(iterator)(
        runner.train_dataloader
    )
    return iterator
