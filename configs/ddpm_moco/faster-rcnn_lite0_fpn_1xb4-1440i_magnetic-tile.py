# The baseline on magnetic tiles, from ImageNet with averaged weights, sized
# for two CPU cores.
_base_ = [
    '../_base_/models/faster-rcnn_lite0_fpn_quick.py',
    '../_base_/datasets/magnetic_tile_detection.py',
    '../_base_/schedules/adamw_720i.py',
    '../_base_/averaged_weights.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    # Sides are up to 320 pixels, and those of a batch differ.
    data_preprocessor=dict(pad_size_divisor=32),
    roi_head=dict(bbox_head=dict(num_classes=5)),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
    # Rare kinds are repeated: half of the samples have a defect.
    dataset=dict(
        _delete_=True,
        type='ClassBalancedDataset',
        oversample_thr=0.3,
        dataset=dict(
            **_base_.tiles,
            ann_file='annotations/train.json',
            data_prefix=dict(img='images/'),
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=_base_.train_pipeline,
        ),
    ),
)
train_cfg = dict(max_iters=1440, val_interval=360)
param_scheduler = [_base_.warmup]
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=360, max_keep_ckpts=3)
)
log_processor = dict(by_epoch=False)
