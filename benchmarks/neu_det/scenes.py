# What unlabeled images are worth to a detector that starts from ImageNet.
variants = dict(
    baseline='variants/quick_stable.py',
    scenes='variants/quick_scenes.py',
    kinds=dict(
        config='variants/quick_scenes_kinds.py',
        note='scenes, and the dataset-level loss by their kinds',
    ),
    baseline_tta=dict(tta_of='baseline'),
    scenes_tta=dict(tta_of='scenes'),
    kinds_tta=dict(tta_of='kinds'),
    softteacher=dict(
        config='variants/quick_softteacher.py',
        seeds=[0, 1, 2],
        own_method=True,
        note="mmdet's, set as softteacher_settings.py found it best",
    ),
    softteacher_tta=dict(tta_of='softteacher'),
    fully_supervised=dict(
        config='variants/quick_fully_supervised.py',
        seeds=[0],
        own_labels=True,
        note='all labels of the training part',
    ),
)
reference = 'baseline'
shots = [20]
seeds = [0, 1, 2, 3, 4]
_recipe = ['baseline', 'kinds', 'baseline_tta', 'kinds_tta']
more_shots = [
    dict(shots=[10, 60], variants=[*_recipe, 'scenes'], seeds=[0, 1, 2]),
    dict(shots=[40], variants=_recipe, seeds=[0, 1, 2]),
]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_scenes'
checkpoints = 3
