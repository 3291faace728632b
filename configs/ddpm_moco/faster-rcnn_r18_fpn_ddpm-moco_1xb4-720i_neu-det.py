# Synthesized defects and contrastive weights, made on two CPU cores.
_base_ = [
    './faster-rcnn_r18_fpn_1xb4-720i_neu-det.py',
    '../_base_/ddpm_moco.py',
]

stages = dict(
    root='work_dirs/neu_det_cpu',
    generator=dict(config='ddpm/ddpm_unet32_1xb16-3ki_neu-det-20shot.py'),
    bank=dict(num=320, mix=dict(add=0.2, replaces=0.75, null=0.05)),
    backbone=dict(config='mocov2/mocov2_r18_1xb64-coslr-530i_neu-det.py'),
)
