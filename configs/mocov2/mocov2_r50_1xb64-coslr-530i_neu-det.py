# ResNet-50 from ImageNet, with the schedule that was measured with
# EfficientNet-Lite0.
_base_ = './mocov2_r18_1xb64-coslr-530i_neu-det.py'

model = dict(
    backbone=dict(
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    neck=dict(in_channels=2048, hid_channels=2048),
)
