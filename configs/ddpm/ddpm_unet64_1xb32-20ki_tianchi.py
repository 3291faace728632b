# The generator for Tianchi's aluminium profiles on one GPU, in color.
_base_ = './ddpm_unet64_1xb64-20ki_neu-det.py'

data_root = 'data/tianchi/'

model = dict(num_classes=10, channels=3)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=128,
        max_window=256,
        channels=3,
    ),
)
