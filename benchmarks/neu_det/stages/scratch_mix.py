# Half dataset-level loss, half InfoNCE: the kind of the shots' defects, and
# background, are the datasets, unlabeled images stand alone.
_base_ = './_base_/scratch_contrast.py'

train_dataloader = dict(
    dataset=dict(sources=[_base_.images, dict(_base_.shots, share=0.25)])
)
