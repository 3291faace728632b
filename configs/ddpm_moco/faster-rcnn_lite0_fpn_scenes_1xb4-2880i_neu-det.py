# The same with the unlabeled images, labeled by three teachers: what has been
# measured to help from ImageNet.
_base_ = './faster-rcnn_lite0_fpn_1xb4-2880i_neu-det.py'

custom_hooks = [
    _base_.averaged_weights,
    dict(type='mmdet_ddpm_moco.DDPMMoCoHook'),
]
stages = dict(
    root='work_dirs/neu_det_lite0',
    teacher=dict(
        # What is labeled already is left out; of the rest the names alone
        # are read.
        unlabeled='data/NEU-DET/annotations/train.json',
        options={'train_cfg.max_iters': 1440},
    ),
)
