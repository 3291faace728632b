# The generator for magnetic tiles, sized for two CPU cores.
_base_ = './ddpm_unet32_1xb16-3ki_neu-det-20shot.py'

data_root = 'data/magnetic-tile/'

model = dict(num_classes=5)
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
    )
)
