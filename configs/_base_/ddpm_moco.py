# Synthesized defects and contrastive weights. The hook takes the bank and the
# backbone that `stages` make, in root/bank and root/moco/backbone.pth; a hook
# with a `bank`, a `checkpoint` or `scenes` of its own takes those alone.
custom_hooks = [dict(type='mmdet_ddpm_moco.DDPMMoCoHook')]
# How tools/train.py makes them, sized for one GPU. With unlabeled images,
# teacher=dict(unlabeled=<COCO json or folder>) adds scenes, in root/scenes.
stages = dict(
    root='work_dirs/neu_det',
    generator=dict(config='ddpm/ddpm_unet64_1xb64-20ki_neu-det.py'),
    bank=dict(num=4000),
    backbone=dict(config='mocov2/mocov2_r50_1xb128-coslr-200e_neu-det.py'),
)
