# mmdet's SoftTeacher, set as on NEU-DET: two labeled and two unlabeled tiles a
# step, from the baseline's weights after three quarters of its iterations. The
# files of a fold and these weights are filled in by its command.
_base_ = './baseline.py'

detector = _base_.model
model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor',
        data_preprocessor=detector.data_preprocessor,
    ),
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=1.0,
        pseudo_label_initial_score_thr=0.3,
        rpn_pseudo_thr=0.7,
        cls_pseudo_thr=0.7,
        reg_pseudo_thr=0.02,
        jitter_times=10,
        jitter_scale=0.06,
        min_pseudo_bbox_wh=(1e-2, 1e-2),
    ),
    semi_test_cfg=dict(predict_on='teacher'),
)

branches = ['sup', 'unsup_teacher', 'unsup_student']
pack = dict(
    type='PackDetInputs',
    meta_keys=(
        *_base_.pack_test.meta_keys,
        'flip',
        'flip_direction',
        'homography_matrix',
    ),
)
colors = [
    [dict(type='AutoContrast')],
    [dict(type='Sharpness')],
    [dict(type='Contrast')],
    [dict(type='Brightness')],
]
strong = [
    dict(type='RandAugment', aug_space=colors, aug_num=1),
    dict(type='RandomErasing', n_patches=(1, 4), ratio=(0, 0.15)),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2)),
]
tiles = dict(
    **_base_.tiles,
    data_prefix=dict(img='images/'),
    filter_cfg=dict(filter_empty_gt=False),
)
labeled = dict(
    type='ClassBalancedDataset',
    oversample_thr=0.3,
    dataset=dict(
        **tiles,
        ann_file='annotations/labeled.json',
        pipeline=[
            _base_.load_image,
            _base_.load_boxes,
            _base_.resize,
            _base_.flip,
            dict(
                type='MultiBranch',
                branch_field=branches,
                sup=dict(type='PackDetInputs'),
            ),
        ],
    ),
)
unlabeled = dict(
    **tiles,
    ann_file='annotations/unlabeled.json',
    pipeline=[
        _base_.load_image,
        dict(type='LoadEmptyAnnotations'),
        dict(
            type='MultiBranch',
            branch_field=branches,
            unsup_teacher=[_base_.resize, _base_.flip, pack],
            unsup_student=[_base_.resize, _base_.flip, *strong, pack],
        ),
    ],
)
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(
        type='GroupMultiSourceSampler', batch_size=4, source_ratio=[1, 1]
    ),
    dataset=dict(type='ConcatDataset', datasets=[labeled, unlabeled]),
)
# The teacher is the average, batch norm's statistics included.
custom_hooks = [
    dict(type='MeanTeacherHook', momentum=0.002, skip_buffer=False)
]

load_from = 'iter_1080.pth'
train_cfg = dict(max_iters=720)
default_hooks = dict(checkpoint=dict(interval=90))
