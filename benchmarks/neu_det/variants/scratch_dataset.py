# Contrastive weights of the dataset-level loss.
_base_ = './scratch_moco.py'

stages = dict(backbone=dict(config='../stages/scratch_dataset.py'))
