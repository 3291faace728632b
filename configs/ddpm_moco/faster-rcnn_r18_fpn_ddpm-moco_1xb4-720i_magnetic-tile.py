# Magnetic tiles, sized for two CPU cores.
_base_ = [
    '../_base_/models/faster-rcnn_r18_fpn_small.py',
    '../_base_/datasets/magnetic_tile_detection.py',
    '../_base_/schedules/adamw_720i.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ddpm_moco.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=5)))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
)
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1)
)
log_processor = dict(by_epoch=False)

stages = dict(
    root='work_dirs/magnetic_tile',
    generator=dict(config='ddpm/ddpm_unet32_1xb16-3ki_magnetic-tile.py'),
    bank=dict(num=320, num_inference_steps=16),
    backbone=dict(
        config='mocov2/mocov2_r18_1xb64-coslr-530i_magnetic-tile.py'
    ),
)
