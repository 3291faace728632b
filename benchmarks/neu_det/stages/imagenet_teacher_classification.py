# Classification by the kinds that labels and teachers tell. An image that they
# are not sure of is left out; each was a class of its own when the experiment
# was recorded.
_base_ = './imagenet_classification.py'

images = dict(
    _base_.images, ann_file='work_dirs/neu_det_quick/scenes/defects.json'
)
train_dataloader = dict(dataset=dict(sources=[images]))
# The six kinds, and after these a number for each of the 900 images, as then.
model = dict(head=dict(num_classes=906))
