_base_ = '../ddpm/ddpm_neu_det_cpu.py'

data_root = 'data/demo/'

model = dict(num_classes=3)
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train.json',
        img_prefix=data_root + 'images/'))
train_cfg = dict(max_iters=300)
