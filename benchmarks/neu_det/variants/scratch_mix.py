# Contrastive weights, half of the dataset-level loss, half of InfoNCE.
_base_ = './scratch_moco.py'

stages = dict(backbone=dict(config='../stages/scratch_mix.py'))
