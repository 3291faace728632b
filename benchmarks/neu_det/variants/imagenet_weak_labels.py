# Contrast with weak labels: the folder name of every training image.
_base_ = './imagenet_moco.py'

stages = dict(backbone=dict(config='../stages/imagenet_weak_labels.py'))
