# A ResNet-18 on one GPU, on windows at the scale of the detector's images.
_base_ = './mocov2_r50_1xb128-coslr-200e_neu-det.py'

model = dict(
    queue_len=4096,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
)
two_views = dict(_base_.two_views, scale=128, window=160)
train_dataloader = dict(dataset=dict(pipeline=[two_views, _base_.pack_inputs]))
