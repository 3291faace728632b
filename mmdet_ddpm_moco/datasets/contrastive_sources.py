"""Where the samples of the contrastive stage come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..utils.errors import InputError
from .sample_lists import Sample, list_annotated, list_folder, list_table

# What each kind of source must say and may say, by (where its images are
# named, dataset_ids).
_OPTIONS = {
    ('img_folder', 'alone'): ({'img_folder'}, set()),
    ('img_folder', 'folder'): ({'img_folder'}, set()),
    ('table', 'column'): ({'table', 'img_prefix', 'column'}, set()),
    ('ann_file', 'alone'): ({'ann_file', 'img_prefix'}, set()),
    ('ann_file', 'class'): (
        {'ann_file', 'img_prefix'},
        {'crop', 'context', 'min_size', 'background'},
    ),
}


@dataclass(frozen=True)
class Source:
    """The samples of one source.

    Attributes:
        samples (list[Sample]): In the order of its files.
        classes (tuple[str, ...]): Its classes, those without samples among
            them.
        share (float | None): The share of all samples that it is to have;
            None is as many as there are.
    """

    samples: list[Sample]
    classes: tuple[str, ...]
    share: float | None


def read_source(source: dict) -> Source:
    """Lists the samples of one source.

    Args:
        source (dict): As :class:`ContrastiveDataset` describes it.

    Returns:
        Source: Its samples and classes.

    Raises:
        FileNotFoundError: A json, a table, a folder or an image is missing.
        ValueError: An unknown or missing option, or one out of range.
    """
    source = dict(source)
    dataset_ids = source.pop('dataset_ids', None)
    repeat, share = source.pop('repeat', 1), source.pop('share', None)
    place = next(
        (p for p in ('img_folder', 'table', 'ann_file') if p in source), None
    )
    must, may = _OPTIONS.get((place, dataset_ids), (set(), set()))
    if not must or not must <= set(source) <= must | may:
        msg = (
            f'cannot read the source {source}, dataset_ids={dataset_ids!r}: '
            "a source has ann_file and img_prefix with dataset_ids='alone' "
            "or 'class' (and crop, context, min_size, background), "
            "img_folder with dataset_ids='alone' or 'folder', or table, "
            "img_prefix and column with dataset_ids='column'"
        )
        raise InputError(msg)
    if repeat < 1:
        msg = f'repeat of a source must be at least 1, got {repeat}'
        raise InputError(msg)
    if share is not None and (not 0 < share < 1 or repeat != 1):
        msg = (
            f'share of a source must be in (0, 1), and repeat not given with '
            f'it, got share={share} and repeat={repeat}'
        )
        raise InputError(msg)
    listing = dict(
        img_folder=list_folder, table=list_table, ann_file=list_annotated
    )[place]
    samples, classes = listing(dataset_ids, **source)
    return Source(samples * repeat, classes, share)


def mix(sources: Sequence[Source]) -> list[Sample]:
    """Joins sources, so that each has the share it asks for.

    Of a source with a ``share``, samples are repeated or left out, evenly
    over its list; of the others all are taken.

    Args:
        sources (Sequence[Source]): From :func:`read_source`.

    Returns:
        list[Sample]: In the order of the sources.

    Raises:
        ValueError: The shares leave nothing for the other sources, or there
            is no other.
    """
    given = sum(s.share or 0 for s in sources)
    fixed = sum(len(s.samples) for s in sources if s.share is None)
    if given and (given >= 1 or not fixed):
        msg = (
            f'the shares of the sources sum to {given:g}, which leaves no '
            'place for one without a share; name such a source, and shares '
            'that sum to less than 1'
        )
        raise InputError(msg)
    samples = []
    for source in sources:
        found = source.samples
        if source.share is not None and found:
            number = round(source.share / (1 - given) * fixed)
            found = [found[i * len(found) // number] for i in range(number)]
        samples += found
    return samples
