# The dataset-level loss with the kind of each training image as its dataset:
# what the names of folders tell, which are labels.
_base_ = './_base_/imagenet_contrast.py'

images = dict(_base_.images, dataset_ids='class', crop=False)
train_dataloader = dict(dataset=dict(sources=[images]))
