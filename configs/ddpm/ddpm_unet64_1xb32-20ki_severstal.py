# The generator for Severstal on one GPU; it paints within masks.
_base_ = './ddpm_unet64_1xb64-20ki_neu-det.py'

data_root = 'data/severstal/'

model = dict(num_classes=4)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=128,
        max_window=192,
    ),
)
