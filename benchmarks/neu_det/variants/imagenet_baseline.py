# EfficientNet-Lite0 from ImageNet, which is what a user would do.
_base_ = [
    '../../../configs/_base_/models/faster-rcnn_lite0_fpn_small.py',
    '../_base_/data.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=6)))
