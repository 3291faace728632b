# Contrastive weights of the dataset-level loss.
_base_ = './nothing_moco.py'

stages = dict(backbone=dict(config='../stages/nothing_dataset.py'))
