# All labels of the training part, and four times as long.
_base_ = './imagenet_plain.py'

train_dataloader = dict(dataset=dict(ann_file='annotations/train.json'))
