# The demo's generator: smaller windows and a higher learning rate than for
# NEU-DET, so that it takes minutes.
_base_ = '../ddpm/ddpm_unet32_1xb16-3ki_neu-det-20shot.py'

data_root = 'data/demo/'

model = dict(num_classes=3)
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/',
        window=48,
        max_window=96,
    )
)
train_cfg = dict(max_iters=450)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=50,
        end=450,
        eta_min=5e-5,
    ),
]
