# Half dataset-level loss, half InfoNCE: the kind of the shots' defects, and
# background, are the datasets, unlabelled images stand alone.
_base_ = './_base_/nothing_contrast.py'

train_dataloader = dict(
    dataset=dict(sources=[_base_.images, dict(_base_.shots, share=0.25)])
)
