"""Small defects on large plates: whole images against slices.

Draws aluminium plates of 2048 x 1000 pixels whose defects are those of the
demo's plates, in pixels, and tests a detector of the demo on them: shrunk to
MMDetection's usual size, at full size, and in slices.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from mmdet_ddpm_moco.demo.defects import DEFECTS
from mmdet_ddpm_moco.demo.render import render_plate
from mmdet_ddpm_moco.engine.pipelines import config_pipelines, type_name
from mmdet_ddpm_moco.engine.slicing import slice_test_images
from mmdet_ddpm_moco.engine.training import test
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes, json_bytes
from mmdet_ddpm_moco.utils.paths import find_config

WIDTH, HEIGHT = 2048, 1000
PER_PLATE = 24  # defects of each drawn square, which gives two images
USUAL = (1333, 800)  # where MMDetection's detectors shrink images to
SMALL = 32  # side below which COCO calls an object small


def draw_images(folder: Path, images: int) -> Path:
    """Draws the set, unless it is there.

    Args:
        folder (Path): To write.
        images (int): Their number, even.

    Returns:
        Path: The COCO annotations. An image with a defect on its upper or
        lower edge keeps the part inside as the defect.
    """
    ann_file = folder / 'test.json'
    if ann_file.is_file():
        found = json.loads(ann_file.read_bytes())
        if len(found['images']) == images:
            return ann_file
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    kinds = list(DEFECTS)
    coco: dict[str, Any] = dict(
        images=[],
        annotations=[],
        categories=[dict(id=i, name=k) for i, k in enumerate(kinds, 1)],
    )
    for number in tqdm(range(images // 2), 'drawing plates'):
        rng = np.random.default_rng([7, number])
        wanted = [kinds[i % len(kinds)] for i in range(PER_PLATE)]
        plate, defects = render_plate(rng, wanted, WIDTH)
        for top in (0, WIDTH - HEIGHT):
            image_id = len(coco['images']) + 1
            name = f'plate_{image_id}.png'
            cv2.imwrite(
                str(folder / 'images' / name), plate[top : top + HEIGHT]
            )
            coco['images'].append(
                dict(id=image_id, file_name=name, width=WIDTH, height=HEIGHT)
            )
            for defect in defects:
                mask = defect.mask[top : top + HEIGHT].astype(np.uint8)
                x, y, width, height = cv2.boundingRect(mask)
                if not mask.any():
                    continue
                coco['annotations'].append(
                    dict(
                        id=len(coco['annotations']) + 1,
                        image_id=image_id,
                        category_id=1 + kinds.index(defect.label),
                        bbox=[x, y, width, height],
                        area=width * height,
                        iscrowd=0,
                    )
                )
    atomic_write_bytes(ann_file, json_bytes(coco))
    return ann_file


def test_config(
    config: Path, ann_file: Path, scale: tuple[int, int] | None
) -> Config:
    """The detector's config, tested on the large plates.

    Args:
        config (Path): Of a detector of plates.
        ann_file (Path): From :func:`draw_images`.
        scale (tuple[int, int] | None): What images are resized to, width and
            height in pixels; None: they stay as they are.
    """
    cfg = Config.fromfile(config)
    dataset = cfg.test_dataloader.dataset
    dataset.update(data_root='', ann_file=str(ann_file))
    dataset.data_prefix = dict(img=f'{ann_file.parent}/images/')
    for pipeline in config_pipelines(cfg.test_dataloader):
        resizes = [t for t in pipeline if type_name(t) == 'Resize']
        for resize in resizes:
            if scale:
                resize.update(scale=scale, keep_ratio=True)
            else:
                resize.pop('scale')
                resize.update(scale_factor=1.0)
    cfg.test_dataloader.batch_size = 1
    cfg.test_evaluator.ann_file = str(ann_file)
    cfg.launcher = 'none'
    return cfg


def measure(
    name: str, cfg: Config, checkpoint: Path, images: int, out: Path
) -> dict:
    """AP in percent by size, seconds an image, and memory on a GPU."""
    cfg.work_dir = str(out / 'runs')
    cfg.experiment_name = f'large_{name.replace(" ", "_")}'
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    found, _ = test(cfg, checkpoint)
    row = dict(
        name=name,
        AP50=100 * found['coco/bbox_mAP_50'],
        AP=100 * found['coco/bbox_mAP'],
        AP_small=100 * found['coco/bbox_mAP_s'],
        AP_medium=100 * found['coco/bbox_mAP_m'],
        seconds=(time.perf_counter() - start) / images,
    )
    if gpu:
        row['MiB'] = torch.cuda.max_memory_allocated() / 2**20
    return row


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='detector of the demo')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument(
        '--out',
        default='work_dirs/large_images',
        metavar='DIR',
        help='images and results (default: %(default)s)',
    )
    parser.add_argument(
        '--images', type=int, default=20, help='even (default: %(default)s)'
    )
    parser.add_argument(
        '--slice',
        type=int,
        default=400,
        help='side of a slice, pixels (default: %(default)s)',
    )
    args = parser.parse_args()
    out, config = Path(args.out), find_config(args.config)
    ann_file = draw_images(out / 'set', args.images)
    boxes = json.loads(ann_file.read_bytes())['annotations']
    small = sum(box['area'] < SMALL**2 for box in boxes)
    init_default_scope('mmdet')
    rows = []
    for name, scale, overlap in (
        ('shrunk', USUAL, None),
        ('whole', None, None),
        ('slices', None, 0.2),
        ('slices without overlap', None, 0.0),
    ):
        cfg = test_config(config, ann_file, scale)
        if overlap is not None:
            slice_test_images(cfg, args.slice, overlap)
        rows.append(
            measure(name, cfg, Path(args.checkpoint), args.images, out)
        )
    atomic_write_bytes(out / 'results.json', json_bytes(rows, indent=1))
    print(
        f'\n{args.images} images of {WIDTH} x {HEIGHT}, {len(boxes)} defects, '
        f'{small} of them small'
    )
    columns = list(rows[0])[1:]
    print(f'| {"":22} | {" | ".join(columns)} |')
    print(f'| --- {"| --- " * len(columns)}|')
    for row in rows:
        cells = ' | '.join(f'{row[key]:.1f}' for key in columns)
        print(f'| {row["name"]:22} | {cells} |')


if __name__ == '__main__':
    main()
