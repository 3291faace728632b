# Scenes, and a backbone pretrained from ImageNet by the dataset-level loss,
# with the kinds that labels and teachers tell as its datasets.
_base_ = './quick_scenes.py'

stages = dict(backbone=dict(config='../stages/imagenet_teacher_kinds.py'))
