# MoCo v2: with every image its own dataset and nothing masked, the
# dataset-level loss is InfoNCE.
_base_ = './_base_/imagenet_contrast.py'

model = dict(
    head=dict(loss=dict(mask_same_dataset=False, mask_same_image=False))
)
