# The baseline from ImageNet, with 20 labeled images per class: EfficientNet-
# Lite0 and averaged weights, sized for two CPU cores.
_base_ = [
    '../_base_/models/faster-rcnn_lite0_fpn_quick.py',
    '../_base_/datasets/neu_det_detection.py',
    '../_base_/schedules/adamw_720i.py',
    '../_base_/averaged_weights.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=6)))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(ann_file='annotations/train_20.json'),
)
train_cfg = dict(max_iters=2880, val_interval=360)
param_scheduler = [_base_.warmup]
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=360, max_keep_ckpts=3)
)
log_processor = dict(by_epoch=False)
