# Faster R-CNN R50-FPN on NEU-DET, for one GPU, with what won from ImageNet:
# averaged weights, scenes, and a backbone that learned the kinds that teachers
# tell. 20 images per class are labeled, the others are not. Test it in its
# flips, too: tools/test.py ... --tta. R50 itself has not been measured;
# EfficientNet-Lite0 has, in
# ddpm_moco/faster-rcnn_lite0_fpn_scenes-kinds_1xb4-2880i_neu-det.py.
#
# A defect bank did not help on NEU-DET. On your images one may, as on magnetic
# tiles; `admission` has folds of your labels decide:
#
#     stages = dict(
#         generator=dict(config='my_ddpm.py'),
#         bank=dict(num=1000),
#         admission=dict(options={'train_cfg.max_iters': 1350}),
#     )
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    './_base_/datasets/neu_det_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    './_base_/averaged_weights.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    roi_head=dict(bbox_head=dict(num_classes=6)),
)
train_dataloader = dict(
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(ann_file='annotations/train_20.json'),
)
train_cfg = dict(
    _delete_=True,
    type='IterBasedTrainLoop',
    max_iters=2700,
    val_interval=270,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500)
]
default_hooks = dict(
    checkpoint=dict(
        by_epoch=False,
        interval=270,
        max_keep_ckpts=1,
        save_best='coco/bbox_mAP',
    )
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=16)
randomness = dict(seed=0)

custom_hooks = [
    _base_.averaged_weights,
    # Takes the scenes and the backbone that the stages make, and trains all
    # of its layers.
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook', unfreeze=True),
]
# Three teachers, each on 80 of the labeled images, label the unlabeled ones.
stages = dict(
    root='work_dirs/neu_det',
    teacher=dict(
        # What is labeled already is left out; of the rest the names alone are
        # read.
        unlabeled=_base_.data_root + 'annotations/train.json',
        options={'train_cfg.max_iters': 1350},
    ),
    # Learns what teachers and labels call the same kind, on all images.
    backbone=dict(
        config='mocov2/mocov2_r50_1xb64-coslr-530i_neu-det.py',
        scenes=True,
        options={'model.head.loss.instance_weight': 0.0},
    ),
)
