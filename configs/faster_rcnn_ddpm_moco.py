# Faster R-CNN R50-FPN with DDPM-MoCo on NEU-DET, for one GPU: all parts, from
# 20 labeled images per class; the other training images are unlabeled. Not
# measured: what was is ddpm_moco/faster-rcnn_lite0_fpn_scenes_*.py.
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    './_base_/datasets/neu_det_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
    # Hook and stages: the only difference to MMDetection's detector.
    './_base_/ddpm_moco.py',
]

model = dict(
    # Contrastive weights want their batch norm trained, and no frozen stem.
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    roi_head=dict(bbox_head=dict(num_classes=6)),
)

few = 'annotations/train_20.json'
labeled = dict(_base_.train_dataloader.dataset, ann_file=few)
# 75 iterations of an epoch of 120 images.
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='RepeatDataset', times=10, dataset=labeled
    )
)

# With _base_/ddpm_moco.py: generator, bank and backbone, then three teachers
# as long as the detector, each on 80 of the images.
stages = dict(
    generator=dict(
        options={'train_dataloader.dataset.ann_file': _base_.data_root + few}
    ),
    bank=dict(num=1000),
    # What is labeled already is left out; of the rest the names alone are
    # read.
    teacher=dict(unlabeled=_base_.data_root + 'annotations/train.json'),
)

train_cfg = dict(max_epochs=36)
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500),
    dict(type='MultiStepLR', milestones=[27, 33], gamma=0.1),
]
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1, save_best='coco/bbox_mAP')
)
auto_scale_lr = dict(base_batch_size=16)
randomness = dict(seed=0)
