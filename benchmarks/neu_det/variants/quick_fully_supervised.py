# All labels of the training part: what scenes could give at most.
_base_ = './quick_stable.py'

train_dataloader = dict(dataset=dict(ann_file='annotations/train.json'))
