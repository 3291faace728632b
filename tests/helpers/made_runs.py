"""Folders of runs as the tools leave them, without running anything."""

import json

import cv2
import numpy as np

from mmdet_ddpm_moco.utils.fileio import write_json

EVIL = '<script>document.title = "evil"</script>'
START = '20261126_100000'
CONFIG = """
default_scope = 'mmdet'
model = dict(type='FasterRCNN')
train_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root={data!r}, ann_file='annotations/train.json'))
custom_hooks = [dict(type='mmdet_ddpm_moco.DDPMMoCoHook')]
stages = dict(
    root={root!r}, bank=dict(num=4), backbone=dict(config='moco.py'),
    generator=dict(config='ddpm.py'), teacher=dict(unlabeled='more'))
work_dir = {work_dir!r}
"""
LOG = """\
2026/11/26 10:00:00 - mmengine - INFO - backbone.pth -> ResNet: coverage 99 %
2026/11/26 10:00:01 - mmengine - INFO - load model from: package://lite0
2026/11/26 10:00:02 - mmengine - INFO - Load annotations.
2026/11/26 10:12:30 - mmengine - INFO - Iter(train) [20/20]  loss: 1.0
"""


def noise(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_picture(file, height=40, width=60):
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), noise(height, width))


def write_start(work_dir, rows=(), config='', log=LOG, start=START):
    """What MMEngine writes at a start."""
    data = work_dir / start / 'vis_data'
    data.mkdir(parents=True)
    (data.parent / f'{start}.log').write_text(log)
    (data / 'config.py').write_text(config)
    lines = [json.dumps(row) for row in rows]
    (data / 'scalars.json').write_text('\n'.join(lines))
    return data


def write_data(root, names):
    """A data set of one image per class, with the conversion's report."""
    coco = dict(
        images=[
            dict(id=i, file_name=f'{i}.png', width=64, height=64)
            for i, _ in enumerate(names)
        ],
        annotations=[
            dict(
                id=i + 1,
                image_id=i,
                category_id=i,
                bbox=[4, 4, 16, 25],
                area=400,
                iscrowd=0,
            )
            for i, _ in enumerate(names)
        ],
        categories=[dict(id=i, name=name) for i, name in enumerate(names)],
    )
    write_json(root / 'annotations' / 'train.json', coco)
    for image in coco['images']:
        write_picture(root / 'images' / image['file_name'], 64, 64)
    entry = dict(file=f'{names[0]}.xml', detail='')
    write_json(
        root / 'report.json',
        dict(
            options=dict(group_near_duplicates=True),
            counts={},
            near_duplicates=dict(
                groups=3,
                images=77,
                parted=1,
                across=dict(train_val=dict(val=5)),
                largest=[dict(size=70, splits=['train'], images=[names[0]])],
            ),
            findings=dict(
                speck=dict(
                    meaning='too small', count=9, files=9, entries=[entry]
                )
            ),
        ),
    )
    return coco


def write_run(folder, names=('dent', EVIL), side=40):
    """A whole run with stages; returns the detector's work folder."""
    data, root = folder / 'data', folder / 'run'
    work_dir = root / 'detector'
    write_data(data, names)
    config = CONFIG.format(
        data=str(data), root=str(root), work_dir=str(work_dir)
    )
    write_start(
        work_dir,
        [
            dict(loss=3.0, loss_cls=2.0, step=10),
            {'coco/bbox_mAP': 0.1, 'coco/dent_precision': 0.1, 'step': 0},
            dict(loss=1.0, loss_cls=0.5, step=20),
            {'coco/bbox_mAP': 0.3, 'coco/dent_precision': 0.25, 'step': 0},
        ],
        config,
    )
    write_json(work_dir / 'stage.json', dict(finished=True))
    made = write_start(root / 'ddpm', [dict(loss=0.5, step=1)])
    write_picture(made / 'vis_image/windows_200.png', side, side)
    (root / 'ddpm/generator').mkdir()
    contrast = {'contrast/knn_accuracy': 0.4375, 'contrast/chance_loss': 6.75}
    write_start(root / 'moco', [dict(contrast, step=5)])
    (root / 'moco/backbone.pth').touch()
    bank = dict(
        asked=4,
        kept=4,
        rejected={'near copy': 1},
        seed=6,
        sampler=dict(name='ddim'),
        kinds={names[0]: dict(add=3), names[1]: dict(replaces=1)},
    )
    write_json(root / 'bank/manifest.json', bank)
    write_picture(root / 'bank/sample_grid.png', side, side)
    write_json(root / 'scenes/scenes.json', {})
    cells = f'| {names[1]} | 12 | 0.75 |'
    (root / 'scenes/report.md').write_text(
        '# Pseudo-labels\n\n3 teachers labeled 780 images.\n\n'
        f'| class | boxes | recall |\n| --- | --- | --- |\n{cells}\n'
    )
    write_picture(root / 'scenes/samples.png', side, side)
    write_json(
        work_dir / 'run_record.json',
        dict(
            command=f"python tools/train.py '{names[1]}'",
            config='detector.py',
            stages=[
                dict(
                    name='bank',
                    output=str(root / 'bank'),
                    command='python tools/synthesize.py',
                    state='made',
                    seconds=90.0,
                )
            ],
        ),
    )
    write_submission(work_dir / 'submission', data, names)
    return work_dir


def write_submission(folder, data, names):
    """One right detection of the first class, one wrong of the second."""
    found = [
        dict(image_id=0, category_id=0, bbox=[4, 4, 16, 25], score=0.9),
        dict(image_id=0, category_id=1, bbox=[40, 40, 9, 9], score=0.8),
    ]
    write_json(folder / 'results.json', found)
    row = dict(AP=50.0, AP50=62.5, AP75=0.0, AR=40.0, boxes=1)
    classes = {name: dict(row, precision=[0.5] * 101) for name in names}
    counts = [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    write_json(
        folder / 'metrics.json',
        dict(
            bbox=dict(row, classes=classes),
            confusion=dict(classes=[*names], counts=counts, score_thr=0.3),
        ),
    )
    write_json(
        folder / 'submission.json',
        dict(
            command='python tools/test.py',
            classes={name: i for i, name in enumerate(names)},
            data=dict(
                source=str(data / 'annotations/train.json'),
                images=2,
                images_prefix=str(data / 'images'),
            ),
        ),
    )
