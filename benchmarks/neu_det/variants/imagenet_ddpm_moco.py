# Synthesized defects, and contrastive weights that start from ImageNet.
_base_ = ['./imagenet_baseline.py', '../../../configs/_base_/ddpm_moco.py']

stages = dict(
    root='work_dirs/neu_det_imagenet',
    generator=dict(config='../stages/ddpm.py'),
    bank=dict(
        num=320,
        num_inference_steps=16,
        mix=dict(add=0.2, replaces=0.75, null=0.05),
    ),
    backbone=dict(config='../stages/imagenet_dataset_moco.py'),
)
