# Does the dataset-level loss help on top of scenes, with the kinds that labels
# and teachers tell as its datasets? On the images that choices are made on,
# with half of the schedule, as contrast_from_imagenet.py.
_short = {
    'train_cfg.max_iters': 1440,
    'default_hooks.checkpoint.interval': 240,
    'test_dataloader.dataset.ann_file': 'annotations/val.json',
    'test_evaluator.ann_file': 'data/NEU-DET-benchmark/annotations/val.json',
}
_source = 'train_dataloader.dataset.sources.0.'


def contrast(stage, note, **options):
    return dict(
        config='variants/quick_scenes_moco.py',
        options={
            **_short,
            'stages.backbone.config': f'../stages/imagenet_{stage}.py',
            'stages.backbone.options': options,
        },
        note=note,
    )


_kinds = contrast(
    'teacher_kinds', 'scenes, and the dataset-level loss by their kinds'
)
_moco = contrast('moco', 'scenes, and MoCo v2')
variants = dict(
    baseline=dict(config='variants/quick_stable.py', options=_short),
    scenes=dict(config='variants/quick_scenes.py', options=_short),
    # Its teachers start without it, as those of the others do.
    moco={
        **_moco,
        'options': {
            **_moco['options'],
            'stages.teacher.config': 'quick_stable.py',
        },
    },
    kinds=_kinds,
    kinds_end={
        **_kinds,
        'options': {**_kinds['options'], 'custom_hooks.1.scene_end': 0.6},
        'note': 'kinds, and true labels alone in the last two fifths',
    },
    classification=contrast(
        'teacher_classification', 'kinds, classified, not contrasted'
    ),
    baseline_tta=dict(tta_of='baseline'),
    scenes_tta=dict(tta_of='scenes'),
    moco_tta=dict(tta_of='moco'),
    kinds_tta=dict(tta_of='kinds'),
    kinds_end_tta=dict(tta_of='kinds_end'),
    classification_tta=dict(tta_of='classification'),
    kinds_windows=contrast(
        'teacher_kinds',
        'kinds, windows of boxes and of background in place of images',
        **{f'{_source}crop': True, f'{_source}background': 1},
    ),
)
reference = 'scenes'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
test_ann_file = 'annotations/val.json'
work_dir = 'work_dirs/benchmarks/neu_det_contrast_on_scenes'
checkpoints = 3
