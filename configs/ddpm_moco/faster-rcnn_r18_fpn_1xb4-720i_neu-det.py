# The baseline: Faster R-CNN from scratch on NEU-DET, 20 labeled images per
# class, sized for two CPU cores.
_base_ = [
    '../_base_/models/faster-rcnn_r18_fpn_small.py',
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
# The schedule counts iterations.
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1)
)
log_processor = dict(by_epoch=False)
