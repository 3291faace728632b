# The baseline from ImageNet, with 20 labeled images per class: EfficientNet-
# Lite0 and averaged weights, sized for two CPU cores.
_base_ = [
    '../_base_/models/faster-rcnn_lite0_fpn_quick.py',
    '../_base_/datasets/neu_det_detection.py',
    '../_base_/schedules/adamw_720i.py',
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
# The rate stays after the warm-up: the average of the weights does what a
# falling rate does elsewhere, and a run can go on where it ended.
param_scheduler = [_base_.warmup]
averaged_weights = dict(
    type='EMAHook',
    # Over about 500 iterations; over fewer at the beginning.
    ema_type='ExpMomentumEMA',
    momentum=0.002,
    gamma=200,
    # The statistics of batch norm too, not those of the latest weights.
    update_buffers=True,
)
custom_hooks = [averaged_weights]
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=360, max_keep_ckpts=3)
)
log_processor = dict(by_epoch=False)
