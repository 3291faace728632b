# Contrastive weights, half of the dataset-level loss, half of InfoNCE.
_base_ = './nothing_moco.py'

stages = dict(backbone=dict(config='../stages/nothing_mix.py'))
