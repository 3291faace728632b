# Which contrastive settings suit a detector, with a quarter of the schedule,
# scored on the images that choices are made on.
def contrast(stage, note, own_labels=False, stages=None, **options):
    fast = {
        'model.channels_last': True,
        'train_dataloader.dataset.pipeline.0.color_type': 'grayscale',
    }
    return dict(
        config='variants/scratch_moco.py',
        options={
            'train_cfg.max_iters': 360,
            'param_scheduler.1.end': 360,
            'test_dataloader.dataset.ann_file': 'annotations/val.json',
            'test_evaluator.ann_file': (
                'data/NEU-DET-benchmark/annotations/val.json'
            ),
            'stages.backbone.config': f'../stages/scratch_{stage}.py',
            'stages.backbone.options': {**fast, **options},
            **(stages or {}),
        },
        own_labels=own_labels,
        note=note,
    )


_loss = 'model.head.loss.'
_images = 'train_dataloader.dataset.sources.0.'
variants = dict(
    moco=contrast('moco', 'MoCo v2'),
    mix=contrast('mix', 'half dataset-level loss, by classes of the shots'),
    paper=contrast(
        'dataset',
        "the dataset-level loss as in the paper's code: nothing masked, "
        'logits averaged over datasets',
        **{
            f'{_loss}mask_same_dataset': False,
            f'{_loss}mask_same_image': False,
            f'{_loss}average_over_datasets': True,
        },
    ),
    synthesized=contrast(
        'synthesized',
        'mix, and a quarter of the samples are synthesized windows',
        stages={
            'stages.generator': dict(config='../stages/ddpm.py'),
            'stages.bank': dict(
                num=320,
                num_inference_steps=16,
                mix=dict(add=0.2, replaces=0.75, null=0.05),
            ),
        },
    ),
    weak_labels=contrast(
        'mix',
        'mix, with the class of every training image',
        own_labels=True,
        **{f'{_images}dataset_ids': 'class', f'{_images}crop': False},
    ),
)
reference = 'moco'
shots = [20]
seeds = [0, 1]
data_root = 'data/NEU-DET-benchmark'
test_ann_file = 'annotations/val.json'
work_dir = 'work_dirs/benchmarks/neu_det_contrast_settings'
