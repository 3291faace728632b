# The paper's generator (arXiv 2407.03332): whole windows of 128 pixels,
# unconditional. It makes no bank, since its windows have no boxes.
_base_ = ['../_base_/models/ddpm_unet.py', '../_base_/ddpm_runtime.py']

data_root = 'data/NEU-DET/'

model = dict(
    num_classes=6,
    conditioning='none',
    unet=dict(block_out_channels=(64, 128, 256, 512)),
    scheduler=dict(beta_schedule='sigmoid', prediction_type='v_prediction'),
)
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=128,
    ),
)
# 10,000 steps of 4 batches.
train_cfg = dict(max_iters=40000)
optim_wrapper = dict(
    type='mmdet_ddpm_moco.Bf16OptimWrapper',
    optimizer=dict(lr=8e-5),
    accumulative_counts=4,
)
custom_hooks = [
    dict(
        type='EMAHook', ema_type='mmdet_ddpm_moco.ForeachEMA', momentum=0.005
    ),
    dict(type='mmdet_ddpm_moco.ExportGeneratorHook'),
]
