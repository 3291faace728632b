# Contrast from ImageNet, on all images of the training part, each its own
# dataset.
_base_ = '../../../../moco/moco_lite0_neu_det_cpu.py'

data_root = 'data/NEU-DET-benchmark/'
images = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
    dataset_ids='alone',
)
train_dataloader = dict(dataset=dict(sources=[images]))
# Measured afterwards, by tools/evaluate_backbone.py.
custom_hooks = [dict(type='mmdet_ddpm_moco.ExportBackboneHook')]
