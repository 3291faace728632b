# The same images and windows as in bank_kinds, but plain MoCo v2: each image
# is told apart from all others.
_base_ = './bank_kinds.py'

stages = dict(
    backbone=dict(options={'model.head.loss.instance_weight': 1.0}),
)
