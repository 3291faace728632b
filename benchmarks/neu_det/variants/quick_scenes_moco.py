# Scenes, and a backbone pretrained by contrast from ImageNet.
_base_ = './quick_scenes.py'

stages = dict(backbone=dict(config='../stages/imagenet_moco.py'))
