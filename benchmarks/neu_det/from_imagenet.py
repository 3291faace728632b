# What each part is worth to a detector that starts from ImageNet.
variants = dict(
    baseline=dict(
        config='variants/imagenet_baseline.py', seeds=[0, 1, 2, 3, 4]
    ),
    copypaste='variants/imagenet_copypaste.py',
    procedural='variants/imagenet_procedural.py',
    ddpm='variants/imagenet_ddpm.py',
    moco='variants/imagenet_moco.py',
    dataset_moco='variants/imagenet_dataset_moco.py',
    ddpm_moco='variants/imagenet_ddpm_moco.py',
    weak_labels=dict(
        config='variants/imagenet_weak_labels.py',
        own_labels=True,
        note='pretraining reads the class of every training image',
    ),
    classification=dict(
        config='variants/imagenet_classification.py',
        own_labels=True,
        note='competitor of weak_labels: the same labels, classified',
    ),
    fully_supervised=dict(
        config='variants/imagenet_fully_supervised.py',
        own_schedule=True,
        own_labels=True,
        note='all labels of the training part',
    ),
)
reference = 'baseline'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_from_imagenet'
