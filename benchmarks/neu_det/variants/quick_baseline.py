# imagenet_baseline.py with a cheaper step and averaged weights.
_base_ = [
    '../../../configs/_base_/models/faster-rcnn_lite0_fpn_quick.py',
    '../_base_/quick.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=6)))
