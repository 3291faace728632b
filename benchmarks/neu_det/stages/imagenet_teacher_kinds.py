# The dataset-level loss with the kinds that labels and teachers tell as its
# datasets. Images that they are not sure of are left out; they were datasets
# of their own when the experiments were recorded.
_base_ = './_base_/imagenet_contrast.py'

images = dict(
    _base_.images,
    ann_file='work_dirs/neu_det_quick/scenes/defects.json',
    dataset_ids='class',
    crop=False,
)
train_dataloader = dict(dataset=dict(sources=[images]))
model = dict(head=dict(loss=dict(instance_weight=0.0)))
