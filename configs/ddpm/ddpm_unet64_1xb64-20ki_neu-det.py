# The generator for NEU-DET on one GPU, from all labeled training images.
_base_ = ['../_base_/models/ddpm_unet.py', '../_base_/ddpm_runtime.py']

data_root = 'data/NEU-DET/'

model = dict(num_classes=6)
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=96,
        max_window=128,
    ),
)
train_cfg = dict(max_iters=20000)
optim_wrapper = dict(type='mmdet_ddpm_moco.Bf16OptimWrapper')
