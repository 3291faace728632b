# Is there a contrast that helps a detector that starts from ImageNet, and a
# dataset-level loss that beats MoCo v2 and classification? With half of the
# schedule, which favors pretraining, on the images that choices are made on.
# Kinds are the true classes of all training images: an upper bound of what
# teachers could tell.
_short = {
    'train_cfg.max_iters': 1440,
    'default_hooks.checkpoint.interval': 240,
    'test_dataloader.dataset.ann_file': 'annotations/val.json',
    'test_evaluator.ann_file': 'data/NEU-DET-benchmark/annotations/val.json',
}
_gentle = {'optim_wrapper.optimizer.lr': 0.003}
_fast = {'optim_wrapper.optimizer.lr': 0.03}
_view = 'train_dataloader.dataset.pipeline.0.'
_whole = {f'{_view}window': 200, f'{_view}scale': 96}
_loss = 'model.head.loss.'
_weight = f'{_loss}instance_weight'


def contrast(stage, note, own_labels=False, **options):
    return dict(
        config='variants/quick_moco.py',
        options={
            **_short,
            'stages.backbone.config': f'../stages/imagenet_{stage}.py',
            'stages.backbone.options': options,
        },
        own_labels=own_labels,
        note=note,
    )


def kinds(note, **options):
    options = {**_gentle, _weight: 0.0, **options}
    return contrast('weak_labels', note, own_labels=True, **options)


def kinds_classified(note, **options):
    options = {**_gentle, **options}
    return contrast('classification', note, own_labels=True, **options)


variants = dict(
    baseline=dict(config='variants/quick_stable.py', options=_short),
    baseline_tta=dict(tta_of='baseline'),
    moco=contrast('moco', 'MoCo v2, learning rate 0.003', **_gentle),
    kinds=kinds('dataset-level loss, learning rate 0.003'),
    classification=kinds_classified('kinds, classified, not contrasted'),
    kinds_mix=kinds('half dataset-level loss, half InfoNCE', **{_weight: 0.5}),
    kinds_whole=kinds('kinds, views of whole images', **_whole),
    moco_whole=contrast(
        'moco', 'MoCo v2, views of whole images', **_gentle, **_whole
    ),
    kinds_fast=kinds('kinds, learning rate 0.03', **_fast),
    kinds_fast_tta=dict(tta_of='kinds_fast'),
    classification_fast=kinds_classified(
        'classified, learning rate 0.03', **_fast
    ),
    moco_fast=contrast('moco', 'MoCo v2, learning rate 0.03'),
    kinds_long=kinds(
        'kinds, 1,590 iterations',
        **{'train_cfg.max_iters': 1590, 'param_scheduler.0.T_max': 1590},
    ),
    kinds_paper=kinds(
        "kinds, as in the paper's code: nothing masked, logits averaged over "
        'datasets',
        **{
            f'{_loss}mask_same_dataset': False,
            f'{_loss}mask_same_image': False,
            f'{_loss}average_over_datasets': True,
        },
    ),
)
reference = 'baseline'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
test_ann_file = 'annotations/val.json'
work_dir = 'work_dirs/benchmarks/neu_det_contrast_from_imagenet'
checkpoints = 3
