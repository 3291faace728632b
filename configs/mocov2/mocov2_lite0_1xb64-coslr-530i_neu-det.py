# EfficientNet-Lite0 from ImageNet, on two CPU cores.
_base_ = './mocov2_r18_1xb64-coslr-530i_neu-det.py'

model = dict(
    # As its detector normalizes, and as it was trained on ImageNet.
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='mmdet_ddpm_moco.EfficientNetLite',
        out_indices=(5,),
        init_cfg=dict(
            type='Pretrained', checkpoint='package://efficientnet_lite0'
        ),
    ),
    neck=dict(in_channels=320),
)
