# The plain arm: Faster R-CNN from nothing on NEU-DET, 20 labelled images per
# class, sized for two CPU cores.
_base_ = [
    '../_base_/models/faster_rcnn_r18_fpn_small.py',
    '../_base_/datasets/neu_det_detection.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=6)))

max_iters = 720
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(ann_file='annotations/train_20.json'),
)
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, end=60),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=60,
        end=max_iters,
        eta_min=5e-6,
    ),
]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1)
)
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
