# The competitor of weak labels: the same labels, by classification.
_base_ = './imagenet_moco.py'

stages = dict(backbone=dict(config='../stages/imagenet_classification.py'))
