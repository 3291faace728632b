# Trained on the labeled third of the tiles. The files of a fold are filled in
# by its command. As the shipped config, which may change: records are of this.
_base_ = [
    '../../../configs/_base_/models/faster-rcnn_lite0_fpn_quick.py',
    '../../../configs/_base_/datasets/magnetic_tile_detection.py',
    '../../../configs/_base_/schedules/adamw_720i.py',
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
            ann_file='annotations/labeled.json',
            data_prefix=dict(img='images/'),
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=_base_.train_pipeline,
        ),
    ),
)
val_dataloader = None
val_evaluator = None
val_cfg = None

# Averaged weights and a constant rate, as in the benchmark on NEU-DET: to
# train longer is to go on.
custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.002,
        gamma=200,
        update_buffers=True,
    )
]
train_cfg = dict(max_iters=1440)
param_scheduler = [_base_.warmup]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=180, max_keep_ckpts=3)
)
log_processor = dict(by_epoch=False)
