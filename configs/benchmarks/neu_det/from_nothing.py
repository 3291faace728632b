# What contrast is worth to a ResNet-18 that starts from nothing.
arms = dict(
    plain='arms/nothing_plain.py',
    copypaste='arms/nothing_copypaste.py',
    moco='arms/nothing_moco.py',
    dataset='arms/nothing_dataset.py',
    mix='arms/nothing_mix.py',
)
reference = 'plain'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_from_nothing'
