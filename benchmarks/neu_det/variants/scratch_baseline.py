# ResNet-18 from scratch.
_base_ = [
    '../../../configs/_base_/models/faster-rcnn_r18_fpn_small.py',
    '../_base_/data.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=6)))
