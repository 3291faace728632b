# The generator for GC10-DET on one GPU. Its images are larger than those of
# NEU-DET, and so are its defects.
_base_ = './ddpm_unet64_1xb64-20ki_neu-det.py'

data_root = 'data/GC10-DET/'

model = dict(num_classes=10)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=128,
        max_window=256,
    ),
)
