# What contrastive pretraining is worth to a ResNet-18 from scratch.
variants = dict(
    baseline='variants/scratch_baseline.py',
    copypaste='variants/scratch_copypaste.py',
    moco='variants/scratch_moco.py',
    dataset='variants/scratch_dataset.py',
    mix='variants/scratch_mix.py',
)
reference = 'baseline'
shots = [20]
seeds = [0, 1, 2]
data_root = 'data/NEU-DET-benchmark'
work_dir = 'work_dirs/benchmarks/neu_det_from_scratch'
