# The same detector with synthesized defects and contrastive weights.
_base_ = ['./faster-rcnn_baseline.py', '../_base_/ddpm_moco.py']

work_dir = 'work_dirs/demo/ddpm_moco'
stages = dict(
    root='work_dirs/demo',
    generator=dict(config='demo/ddpm_unet32.py'),
    bank=dict(num=200, max_window=96, num_inference_steps=16),
    backbone=dict(config='demo/mocov2.py'),
)
