# Classification by the kinds that labels and teachers tell. An image that they
# are not sure of is a class of its own, as it is a dataset of its own.
_base_ = './imagenet_classification.py'

images = dict(
    _base_.images, ann_file='work_dirs/neu_det_quick/scenes/defects.json'
)
train_dataloader = dict(dataset=dict(sources=[images]))
# The six kinds, and after these a number for each of the 900 images.
model = dict(head=dict(num_classes=906))
