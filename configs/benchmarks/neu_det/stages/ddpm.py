# The generator, from the shots.
_base_ = '../../../ddpm/ddpm_neu_det_cpu.py'

data_root = 'data/NEU-DET-benchmark/'
train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + 'annotations/train_20.json',
        img_prefix=data_root + 'images/',
    )
)
