# How mmdet's SoftTeacher is best set, scored on the images that choices are
# made on. It starts from the baseline's weights at iteration 2,160 and goes on
# for 1,440, so it has more image-steps than scenes.
_on_val = {
    'test_dataloader.dataset.ann_file': 'annotations/val.json',
    'test_evaluator.ann_file': 'data/NEU-DET-benchmark/annotations/val.json',
}


def setting(note, **options):
    trained = 'model.semi_train_cfg.'
    return dict(
        config='variants/quick_softteacher.py',
        options={
            **_on_val,
            **{trained + key: value for key, value in options.items()},
        },
        own_method=True,
        note=note,
    )


variants = dict(
    baseline=dict(config='variants/quick_stable.py', options=_on_val),
    as_shipped=setting('thresholds of 0.7 in RPN and head, weight 1'),
    lower=setting('thresholds of 0.5', rpn_pseudo_thr=0.5, cls_pseudo_thr=0.5),
    higher=setting(
        'thresholds of 0.9', rpn_pseudo_thr=0.9, cls_pseudo_thr=0.9
    ),
    heavier=setting('weight 2 of the unlabeled images', unsup_weight=2.0),
)
reference = 'baseline'
shots = [20]
seeds = [0]
data_root = 'data/NEU-DET-benchmark'
test_ann_file = 'annotations/val.json'
work_dir = 'work_dirs/benchmarks/neu_det_softteacher_settings'
checkpoints = 3
