# Severstal with masks, for one GPU. tools/test.py --submission writes the
# table that its board takes.
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/severstal_detection.py',
    'mmdet::_base_/schedules/schedule_2x.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/ddpm_moco.py',
]

model = dict(
    # Contrastive weights want their batch norm trained, and no frozen stem.
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_head=dict(num_classes=4), mask_head=dict(num_classes=4)
    ),
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=0.01))
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1, save_best='coco/segm_mAP')
)
auto_scale_lr = dict(base_batch_size=8)
randomness = dict(seed=0)

stages = dict(
    root='work_dirs/severstal',
    generator=dict(config='ddpm/ddpm_unet64_1xb32-20ki_severstal.py'),
    bank=dict(max_window=192),
    backbone=dict(config='mocov2/mocov2_r50_1xb128-coslr-200e_severstal.py'),
)
