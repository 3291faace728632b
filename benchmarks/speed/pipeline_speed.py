"""Two views per second: our transform against mmpretrain's."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import default_collate

from benchmarks.speed.speed_table import Row
from benchmarks.speed.timing import median_seconds
from benchmarks.speed.view_pipelines import mmpretrain_pipeline, our_pipeline

PART = 'pipeline'
# (width, height) of the large images.
LARGE = (2048, 1000)


def pipeline_rows(
    files: Sequence[str], settings: Mapping, repeats: int
) -> list[Row]:
    """Compares the pipelines, from files to a batch, on one core.

    Args:
        files (Sequence[str]): Images, taken as they are and enlarged.
        settings (Mapping): Of :func:`view_settings`.
        repeats (int): Timed runs over all images.

    Returns:
        list[Row]: Images per second, ratios, and how far the moments of the
        views are apart.
    """
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        rows = compare_rows('as they are', files, settings, repeats, least=2)
        with TemporaryDirectory() as folder:
            large = write_large(files, Path(folder))
            name = f'{LARGE[0]}x{LARGE[1]}'
            return rows + compare_rows(name, large, settings, repeats, least=3)
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def compare_rows(
    name: str,
    files: Sequence[str],
    settings: Mapping,
    repeats: int,
    least: float,
) -> list[Row]:
    """The rows of one kind of images; ``least`` is the target."""
    calls = {
        kind: partial(batch_of_views, Compose(pipeline(settings)), files)
        for kind, pipeline in (
            ('mmpretrain', mmpretrain_pipeline),
            ('TwoViews', our_pipeline),
        )
    }
    took = median_seconds(calls, repeats, clock=time.process_time)
    size = cv2.imread(files[0]).shape
    kilobytes = np.mean([Path(file).stat().st_size for file in files]) / 1000
    how = (
        f'{len(files)} images like {size[1]}x{size[0]}, {kilobytes:.0f} KB; '
        f'CPU time, median of {repeats} runs'
    )
    rows = [
        Row(PART, f'{name}: {kind}', len(files) / s, 'images/s/core', how)
        for kind, s in took.items()
    ]
    ratio = took['mmpretrain'] / took['TwoViews']
    what = f'{name}: TwoViews against mmpretrain'
    rows.append(Row(PART, what, ratio, 'x', how, least=least))
    return rows + moment_rows(name, *calls.values())


def batch_of_views(
    pipeline: Callable, files: Sequence[str]
) -> list[torch.Tensor]:
    """Two views of whole images, uint8 (N, 3, H, W); always the same."""
    np.random.seed(0)
    samples = [
        pipeline(
            dict(
                img_path=str(file),
                crop=None,
                sample_idx=i,
                dataset_id=i,
                image_id=i,
            )
        )
        for i, file in enumerate(files)
    ]
    return default_collate(samples)['inputs']


def moment_rows(
    name: str,
    theirs: Callable[[], list[torch.Tensor]],
    ours: Callable[[], list[torch.Tensor]],
) -> list[Row]:
    """How far mean and deviation of the same views are apart.

    Args:
        name (str): The kind of images.
        theirs (Callable): Gives two views, uint8 (N, 3, H, W).
        ours (Callable): Gives the same.

    Returns:
        list[Row]: In gray levels.
    """
    expected, found = (torch.cat(f()).double() for f in (theirs, ours))
    rows = []
    for moment, get in (('mean', torch.mean), ('deviation', torch.std)):
        a, b = get(expected).item(), get(found).item()
        how = f'gray levels; mmpretrain {a:.2f}, TwoViews {b:.2f}'
        what = f'{name}: difference of the {moment}'
        rows.append(Row(PART, what, abs(a - b), '', how, most=1))
    return rows


def write_large(files: Sequence[str], folder: Path) -> list[str]:
    """Writes a large JPEG for each image: enlarged, then repeated.

    Args:
        files (Sequence[str]): Images.
        folder (Path): Where to.

    Returns:
        list[str]: The files written.
    """
    width, height = LARGE
    written = []
    for i, file in enumerate(files):
        image = cv2.imread(str(file))
        scale = height / image.shape[0]
        size = max(1, round(image.shape[1] * scale)), height
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        image = np.tile(image, (1, -(-width // size[0]), 1))[:, :width]
        written.append(str(folder / f'{i}.jpg'))
        cv2.imwrite(written[-1], image)
    return written
