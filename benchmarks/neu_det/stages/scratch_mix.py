# Half dataset-level loss, half InfoNCE: the classes of the shots' defects, and
# background, are the datasets, each unlabeled image is its own.
_base_ = './_base_/scratch_contrast.py'

train_dataloader = dict(
    dataset=dict(sources=[_base_.images, dict(_base_.shots, share=0.25)])
)
