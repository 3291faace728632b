# What each part is worth to a detector that starts from ImageNet.
arms = dict(
    plain=dict(config='arms/imagenet_plain.py', seeds=[0, 1, 2, 3, 4]),
    copypaste='arms/imagenet_copypaste.py',
    procedural='arms/imagenet_procedural.py',
    ddpm='arms/imagenet_ddpm.py',
    moco='arms/imagenet_moco.py',
    dmoco='arms/imagenet_dmoco.py',
    both='arms/imagenet_both.py',
    weak_labels=dict(
        config='arms/imagenet_weak_labels.py',
        own_labels=True,
        note='contrast knows the kind of every training image',
    ),
    classification=dict(
        config='arms/imagenet_classification.py',
        own_labels=True,
        note='the rival of weak_labels: the same labels, classified',
    ),
    ceiling=dict(
        config='arms/imagenet_ceiling.py',
        own_schedule=True,
        own_labels=True,
        note='all labels of the training part',
    ),
)
reference = 'plain'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_from_imagenet'
