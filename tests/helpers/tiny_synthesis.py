"""Labeled images, a generator and its config, as small as they get."""

import json

import cv2
import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from mmdet_ddpm_moco.synthesis.generator import save_generator

CLASSES = ('dent', 'pit')
BOXES = ((4, 5, 8, 6), (28, 22, 10, 9))


def write_images(root, classes=CLASSES):
    """Three noise images with a defect of each class; json and folder."""
    folder = root / 'images'
    folder.mkdir(parents=True)
    data = dict(images=[], annotations=[], categories=[])
    for i, name in enumerate(classes):
        data['categories'].append(dict(id=i + 1, name=name))
    for i in range(3):
        pixels = np.random.RandomState(i).randint(60, 190, (48, 48))
        cv2.imwrite(str(folder / f'{i}.png'), pixels.astype(np.uint8))
        data['images'].append(
            dict(id=i, file_name=f'{i}.png', width=48, height=48)
        )
        for label, box in enumerate(BOXES):
            data['annotations'].append(
                dict(
                    id=2 * i + label + 1,
                    image_id=i,
                    category_id=label + 1,
                    bbox=list(box),
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    ann_file = root / 'train.json'
    ann_file.write_text(json.dumps(data))
    return ann_file, folder


def random_unet(conditioned=True):
    torch.manual_seed(0)
    return UNet2DModel(
        in_channels=3 if conditioned else 1,
        out_channels=1,
        num_class_embeds=len(CLASSES) + 1 if conditioned else None,
        block_out_channels=(8, 8),
        down_block_types=('DownBlock2D',) * 2,
        up_block_types=('UpBlock2D',) * 2,
        layers_per_block=1,
        norm_num_groups=4,
    ).eval()


def schedule(steps):
    return DDPMScheduler(
        num_train_timesteps=steps,
        beta_schedule='squaredcos_cap_v2',
        prediction_type='v_prediction',
    )


def write_generator(folder, steps=40, conditioned=True):
    return save_generator(
        folder,
        random_unet(conditioned),
        schedule(steps),
        classes=CLASSES,
        window=32,
    )


def write_config(file, ann_file, img_prefix):
    """The part of a generator's config that synthesis reads."""
    dataset = dict(ann_file=str(ann_file), img_prefix=str(img_prefix))
    file.write_text(f'train_dataloader = dict(dataset={dataset!r})\n')
    return file
