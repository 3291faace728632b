"""Labeled images and a generator small enough for tests."""

import json

import cv2
import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from mmdet_ddpm_moco.synthesis.generator import save_generator

CLASSES = ('dent', 'pit', 'scratch')
UNET = dict(
    block_out_channels=(8, 8),
    down_block_types=('DownBlock2D',) * 2,
    up_block_types=('UpBlock2D',) * 2,
    layers_per_block=1,
    norm_num_groups=4,
)
# What a small untrained generator makes is noise, so the gates let it pass.
OPTIONS = dict(num_inference_steps=2, max_window=32)

# (class, x, y, w, h) of the defects of each image. Dents and pits occur
# on the same image, scratches alone, the last image has no defects.
DEFECTS = (
    [('dent', 4, 5, 6, 5), ('pit', 30, 26, 8, 7)],
    [('pit', 20, 8, 5, 9)],
    [('scratch', 10, 20, 14, 4)],
    [],
)


def noise_image(width, height, channels=1, seed=0):
    rng = np.random.RandomState(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.randint(60, 190, shape).astype(np.uint8)


def write_images(
    root,
    images=DEFECTS,
    size=(48, 40),
    channels=1,
    masks=None,
    classes=CLASSES,
):
    """Writes noise images and their COCO json.

    Args:
        root (Path): Gets `images/` and `train.json`.
        images (Sequence): Per image its `(class, x, y, w, h)`.
        size (tuple): Width and height.
        channels (int): 1 or 3.
        masks (dict): COCO segmentations by annotation id.
        classes (Sequence): Class names.

    Returns:
        tuple[Path, Path]: The json and the folder of images.
    """
    folder = root / 'images'
    folder.mkdir(parents=True)
    data = dict(images=[], annotations=[], categories=[])
    for i, name in enumerate(classes):
        data['categories'].append(dict(id=i + 1, name=name))
    for i, defects in enumerate(images):
        name = f'plate_{i}.png'
        cv2.imwrite(str(folder / name), noise_image(*size, channels, seed=i))
        data['images'].append(
            dict(id=i + 10, file_name=name, width=size[0], height=size[1])
        )
        for kind, *box in defects:
            number = len(data['annotations']) + 1
            ann = dict(
                id=number,
                image_id=i + 10,
                category_id=classes.index(kind) + 1,
                bbox=box,
                area=box[2] * box[3],
                iscrowd=0,
            )
            if masks and number in masks:
                ann['segmentation'] = masks[number]
            data['annotations'].append(ann)
    ann_file = root / 'train.json'
    ann_file.write_text(json.dumps(data))
    return ann_file, folder


def random_unet(channels=1, num_classes=3, seed=0, **changes):
    torch.manual_seed(seed)
    return UNet2DModel(
        in_channels=2 * channels + 1,
        out_channels=channels,
        num_class_embeds=num_classes + 1,
        **{**UNET, **changes},
    )


def v_schedule(**changes):
    return DDPMScheduler(
        **{
            'beta_schedule': 'squaredcos_cap_v2',
            'prediction_type': 'v_prediction',
            **changes,
        }
    )


def write_generator(folder, seed=0, channels=1, classes=CLASSES, window=32):
    return save_generator(
        folder,
        random_unet(channels, len(classes), seed),
        v_schedule(),
        classes=classes,
        window=window,
    )


def files_of(root):
    """Contents of all files below a folder, by name."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }
