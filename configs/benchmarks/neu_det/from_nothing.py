# What there is without this package, to a ResNet-18 that starts from nothing.
arms = dict(
    plain='arms/nothing_plain.py',
    copypaste='arms/nothing_copypaste.py',
)
reference = 'plain'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_from_nothing'
