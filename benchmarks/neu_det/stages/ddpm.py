# The generator, from the shots.
_base_ = '../../../configs/ddpm/ddpm_unet32_1xb16-3ki_neu-det-20shot.py'

data_root = 'data/NEU-DET-benchmark/'
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train_20.json',
        img_prefix=data_root + 'images/',
    )
)
