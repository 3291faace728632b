# MoCo from ImageNet, on all images of the training part, each its own dataset.
_base_ = '../../../../configs/mocov2/mocov2_lite0_1xb64-coslr-530i_neu-det.py'

data_root = 'data/NEU-DET-benchmark/'
images = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
    dataset_ids='image',
)
# As the runs were measured, before gray files were decoded as gray.
two_views = dict(_base_.two_views, color_type='color')
train_dataloader = dict(
    dataset=dict(sources=[images], pipeline=[two_views, _base_.pack_inputs])
)
# Measured afterwards, by tools/evaluate_backbone.py.
custom_hooks = [dict(type='mmdet_ddpm_moco.ExportBackboneHook')]
