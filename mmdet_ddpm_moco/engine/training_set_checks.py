"""Checks of a training set, its labels and its bank before the first step.

What is wrong with either would else end a run in a worker, in the middle of
an epoch, or not at all.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from mmdet.datasets import CocoDataset
from mmengine.runner import Runner

from ..bank.format import BankWindow
from ..bank.reader import OtherImageError
from ..datasets.transforms.diffusion_defect_augment import (
    DiffusionDefectAugment,
)
from ..utils.checks import check_class_order
from ..utils.errors import InputError
from ..utils.rng import fork_rng

# Images whose pixels are compared with those of the bank.
COMPARED = 8


def augment_of(dataset: Any) -> DiffusionDefectAugment | None:
    """The transform in a built dataset's pipeline, if it is there."""
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, DiffusionDefectAugment):
            return transform
    return None


def infos(dataset: Any) -> Iterator[dict]:
    """Annotations of each image of a built data set, before its pipeline.

    Returns:
        Iterator[dict]: As of MMEngine's ``BaseDataset.get_data_info``; none
        of a data set of another kind.
    """
    if hasattr(dataset, 'get_data_info'):
        for index in range(len(dataset)):
            yield dataset.get_data_info(index)


def check_labels(datasets: Sequence[Any]) -> None:
    """Checks that not all annotations are ignored.

    Raises:
        ValueError: All are. No annotation at all is fine: a bank or scenes
            may have all labels.
    """
    ignored = 0
    for dataset in datasets:
        for info in infos(dataset):
            for instance in info.get('instances') or ():
                if not instance.get('ignore_flag'):
                    return
                ignored += 1
    if ignored:
        msg = (
            f'all {ignored} annotations of the training set are ignored '
            '(iscrowd=1, difficult, or smaller than bbox_min_size in '
            'filter_cfg), so there is no defect to learn from; '
            'set iscrowd=0 where one is labeled'
        )
        raise InputError(msg)


def check_classes(dataset: Any) -> None:
    """Checks that a built data set's labels are those of its class names.

    A bank and scenes go by names.

    Raises:
        ValueError: Its file has the classes in another order.
    """
    if isinstance(dataset, CocoDataset):
        check_class_order(dataset.ann_file, dataset.metainfo['classes'])


def check_windows(runner: Runner, datasets: Sequence[Any]) -> None:
    """Checks that a bank belongs to the training images; logs what is used.

    Args:
        runner (Runner): Has the log.
        datasets (Sequence): Built, each with a transform that has the bank.

    Raises:
        ValueError: No window is on a training image, pictures are missing,
            or the first images compared are not those of the bank.
    """
    hosts: list[tuple[Any, int, BankWindow]] = []
    windows: dict[int, BankWindow] = {}
    # Of each window, by number: more than one where folders have images of
    # one name.
    paths: dict[int, set[str]] = defaultdict(set)
    for dataset in datasets:
        augment = augment_of(dataset)
        assert augment is not None
        for index, info in enumerate(infos(dataset)):
            found = augment.windows_of(info['img_path'])
            windows.update((window.number, window) for window in found)
            if found:
                hosts.append((dataset, index, found[0]))
                paths[found[0].number].add(info['img_path'])
    bank = augment.bank  # type: ignore[union-attr]
    assert bank is not None
    if not windows:
        msg = (
            f'no window of the defect bank {bank.root} is on an image of the '
            'training set and of a class that it has; was it made from other '
            'images, with other file names or other classes?'
        )
        raise InputError(msg)
    usable, total = len(windows), len(bank)
    runner.logger.info(
        f'DDPMMoCoHook: training uses {bank.root}: {usable} of {total} '
        f'windows are on {len(hosts)} of its {sum(map(len, datasets))} images'
    )
    if usable < total:
        runner.logger.warning(
            f'{total - usable} windows are not used: they are on images that '
            'the training set lacks, or of classes that it lacks; '
            'filter_empty_gt=True in its filter_cfg, which drops defect-free '
            'images, may be why'
        )
    bank.check_pictures(windows.values())
    step = max(1, len(hosts) // COMPARED)
    for dataset, index, window in hosts[::step][:COMPARED]:
        try:
            _check_pixels(dataset, index, window)
        except OtherImageError as error:
            if len(paths[window.number]) < 2:
                raise
            msg = (
                f'{error}. That window is on {len(paths[window.number])} '
                f'images, {" and ".join(sorted(paths[window.number])[:2])}: '
                'name their folders in the file names of the COCO json that '
                'the bank is made from'
            )
            raise OtherImageError(msg) from None


def _check_pixels(dataset: Any, index: int, window: BankWindow) -> None:
    """Pastes a window into its image, as a worker will."""
    augment = augment_of(dataset)
    assert augment is not None and augment.bank is not None
    transforms = dataset.pipeline.transforms
    results = dataset.get_data_info(index)
    with fork_rng(0):
        for transform in transforms[: transforms.index(augment)]:
            results = transform(results)
            if results is None:
                return
    image = results['img'].copy()
    augment.bank.paste(window, image, results['img_path'])
