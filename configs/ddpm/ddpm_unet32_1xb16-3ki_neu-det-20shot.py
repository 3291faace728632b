# The generator for NEU-DET, sized for two CPU cores, from 20 labeled
# images per class.
_base_ = ['../_base_/models/ddpm_unet.py', '../_base_/ddpm_runtime.py']

data_root = 'data/NEU-DET/'

model = dict(
    num_classes=6,
    unet=dict(
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=1,
        norm_num_groups=16,
    ),
)
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train_20.json',
        img_prefix=data_root + 'images/',
        window=64,
        max_window=128,
    )
)
train_cfg = dict(max_iters=3000)
optim_wrapper = dict(type='mmdet_ddpm_moco.Bf16OptimWrapper')
