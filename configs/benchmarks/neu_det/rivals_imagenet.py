# What there is without this package, from ImageNet.
arms = dict(
    plain=dict(config='arms/imagenet_plain.py', seeds=[0, 1, 2, 3, 4]),
    copypaste='arms/imagenet_copypaste.py',
)
reference = 'plain'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_rivals_imagenet'
