# The dataset-level loss with the class of each training image as its dataset,
# by the names of folders, which are weak labels.
_base_ = './_base_/imagenet_contrast.py'

images = dict(_base_.images, dataset_ids='class', crop=False)
train_dataloader = dict(dataset=dict(sources=[images]))
