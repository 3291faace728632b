# Faster R-CNN for small images on a CPU, from scratch: ResNet-18, narrow neck
# and heads, few proposals. All layers of its backbone are trained, batch norm
# included, as contrastive weights need.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=128),
    rpn_head=dict(
        in_channels=128,
        feat_channels=128,
        # Long, thin defects, and small ones.
        anchor_generator=dict(scales=[4], ratios=[0.33, 1.0, 3.0]),
    ),
    roi_head=dict(
        # RoIAlign is not parallel on a CPU: few samples and few RoIs keep it
        # from taking a quarter of each step.
        bbox_roi_extractor=dict(
            out_channels=128, finest_scale=28, roi_layer=dict(sampling_ratio=1)
        ),
        bbox_head=dict(in_channels=128, fc_out_channels=512),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=200)),
)
