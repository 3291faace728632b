"""The training data of the contrastive stage."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..utils.checks import check_arguments
from ..utils.errors import InputError
from .labeled_images import BACKGROUND
from .sample_lists import Sample, list_annotated, list_folder, list_table

# Required and optional keys of each kind of source, by (key that names its
# images, dataset_ids).
_OPTIONS: dict[tuple[str, object], tuple[set[str], set[str]]] = {
    ('img_folder', 'image'): ({'img_folder'}, set()),
    ('img_folder', 'folder'): ({'img_folder'}, set()),
    ('table', 'column'): ({'table', 'img_prefix', 'column'}, set()),
    ('ann_file', 'image'): ({'ann_file', 'img_prefix'}, set()),
    ('ann_file', 'class'): (
        {'ann_file', 'img_prefix'},
        {'crop', 'context', 'min_size', 'background'},
    ),
}
_LISTINGS: dict[str, Callable] = dict(
    img_folder=list_folder, table=list_table, ann_file=list_annotated
)


@DATASETS.register_module()
class ContrastiveDataset(BaseDataset):
    """Samples for momentum contrast, from several sources.

    Each sample belongs to a *dataset* in the sense of the dataset-level loss
    (DDPM-MoCo, arXiv 2407.03332). ``dataset_ids`` of its source says which.
    A source is one of

    - ``dict(ann_file=…, img_prefix=…, dataset_ids='image')``: the images of
      a COCO json, without their annotations. Each image is a dataset.
    - ``dict(img_folder=…, dataset_ids='image')``: all images in a folder and
      its subfolders.
    - ``dict(ann_file=…, img_prefix=…, dataset_ids='class')``: each
      annotated box, enlarged by ``context`` (a share of its sides, defaults
      to 0.5) and to ``min_size`` pixels at least (defaults to 32). Its
      class is its dataset. With ``background=n`` also n windows of each
      image that are clear of every box; they are the dataset
      ``background``.
    - the same with ``crop=False``: each *image*, the dataset being the class
      of its largest box, and ``background`` without a box. For the windows
      of a defect bank. An image that detectors labeled, but are sure of no
      defect in, is left out: it may be of any dataset.
    - ``dict(img_folder=…, dataset_ids='folder')``: the folder of an image is
      its dataset. Folders named after defects are weak labels; report them
      as such.
    - ``dict(table=…, img_prefix=…, dataset_ids='column', column=…)``: a CSV
      file with the columns ``file_name`` and that one, such as the
      production line, whose values are the datasets. An image whose cell is
      empty is its own dataset.

    Any source may have ``repeat=n``: its samples come n times per epoch; or
    ``share=s``: they are evenly repeated or left out to make up this share
    of an epoch.

    Each sample is a dict: ``img_path`` (str), ``crop`` (tuple ``(x, y, w,
    h)`` in pixels, or None), ``defect`` (the same, the box that tells its
    class, or None), ``dataset_id`` (int), ``image_id`` (int) and
    ``sample_idx`` (int). Classes of all sources are joined by *name* and
    come first in the dataset ids, in alphabetical order; ``metainfo``'s
    ``classes`` lists them. The images that are their own datasets follow.
    Samples from one image *file* share the ``image_id``, whatever their
    sources.

    Args:
        sources (Sequence[dict]): One or more sources.
        pipeline (Sequence[dict]): Transforms. Defaults to ().
        lazy_init (bool): Read the sources at first use. Defaults to False.

    Raises:
        FileNotFoundError: A json, table, folder or image is missing.
        ValueError: A source is none of the above, or a file of one is
            damaged.

    Examples:
        >>> dataset = ContrastiveDataset(
        ...     [
        ...         dict(img_folder='unlabeled', dataset_ids='image'),
        ...         dict(
        ...             ann_file='train.json',
        ...             img_prefix='images',
        ...             dataset_ids='class',
        ...             share=0.25,
        ...         ),
        ...     ]
        ... )
    """

    def __init__(
        self,
        sources: Sequence[dict],
        pipeline: Sequence[dict] = (),
        lazy_init: bool = False,
    ) -> None:
        if not sources:
            msg = 'sources is empty; name at least one source of images'
            raise InputError(msg)
        self.sources = sources
        super().__init__(pipeline=list(pipeline), lazy_init=lazy_init)

    def load_data_list(self) -> list[dict]:
        """Lists the samples, in the order of the sources."""
        sources = [read_source(source) for source in self.sources]
        self._check_background(sources)
        samples = _mix(sources)
        names = set().union(*(source.classes for source in sources))
        if any(sample.dataset == BACKGROUND for sample in samples):
            names.add(BACKGROUND)
        classes = sorted(names)
        self._metainfo['classes'] = tuple(classes)
        class_ids = {name: index for index, name in enumerate(classes)}
        image_ids: dict[str, int] = {}
        data_list = []
        for sample in samples:
            file = os.path.realpath(sample.path)
            image_id = image_ids.setdefault(file, len(image_ids))
            if sample.dataset is None:
                dataset_id = len(classes) + image_id
            else:
                dataset_id = class_ids[sample.dataset]
            data_list.append(
                dict(
                    img_path=str(sample.path),
                    crop=sample.crop,
                    defect=sample.defect,
                    dataset_id=dataset_id,
                    image_id=image_id,
                )
            )
        return data_list

    def _check_background(self, sources: 'Sequence[Source]') -> None:
        """Refuses defects that would share a dataset with defect-free windows.

        A folder or a value of a table may well have that name: it says that
        its images are defect-free.
        """
        if not any(source.get('background') for source in self.sources):
            return
        for given, source in zip(self.sources, sources, strict=True):
            if 'ann_file' in given and BACKGROUND in source.classes:
                msg = (
                    f'{given["ann_file"]} has a class {BACKGROUND!r}, the '
                    'name of the defect-free windows of background=n; rename '
                    'the class, or leave background out of the sources'
                )
                raise InputError(msg)


@dataclass(frozen=True)
class Source:
    """The samples of one source, in the order of its files."""

    samples: list[Sample]
    classes: tuple[str, ...]  # also those without samples
    share: float | None  # of an epoch; None takes all samples


def read_source(source: dict) -> Source:
    """Lists the samples of a source of :class:`ContrastiveDataset`.

    Raises:
        FileNotFoundError: A json, a table, a folder or an image is missing.
        ValueError: An unknown or missing option, or one out of range.
    """
    source = dict(source)
    dataset_ids = source.pop('dataset_ids', None)
    repeat, share = source.pop('repeat', 1), source.pop('share', None)
    kind = next((key for key in _LISTINGS if key in source), '')
    required, optional = _OPTIONS.get((kind, dataset_ids), (set(), set()))
    if not required or not required <= set(source) <= required | optional:
        msg = (
            f'cannot read the source {source}, dataset_ids={dataset_ids!r}: '
            "a source has ann_file and img_prefix with dataset_ids='image' "
            "or 'class' (and crop, context, min_size, background), "
            "img_folder with dataset_ids='image' or 'folder', or table, "
            "img_prefix and column with dataset_ids='column'"
        )
        raise InputError(msg)
    check_arguments(locals(), repeat=(repeat >= 1, 'at least 1'))
    if share is not None and (not 0 < share < 1 or repeat != 1):
        msg = (
            f'share of a source must be in (0, 1), and repeat not given with '
            f'it, got share={share} and repeat={repeat}'
        )
        raise InputError(msg)
    samples, classes = _LISTINGS[kind](dataset_ids, **source)
    return Source(samples * repeat, classes, share)


def _mix(sources: Sequence[Source]) -> list[Sample]:
    """Joins sources, those with a ``share`` evenly repeated or thinned."""
    shares = sum(s.share or 0 for s in sources)
    fixed = sum(len(s.samples) for s in sources if s.share is None)
    if shares and (shares >= 1 or not fixed):
        msg = (
            f'the shares of the sources sum to {shares:g}, which leaves no '
            'place for one without a share; name such a source, and shares '
            'that sum to less than 1'
        )
        raise InputError(msg)
    mixed = []
    for source in sources:
        samples = source.samples
        if source.share is not None and samples:
            number = round(source.share / (1 - shares) * fixed)
            samples = [
                samples[i * len(samples) // number] for i in range(number)
            ]
        mixed += samples
    return mixed
