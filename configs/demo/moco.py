_base_ = '../moco/moco_r18_neu_det_cpu.py'

data_root = 'data/demo/'

train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(
                ann_file=data_root + 'annotations/unlabelled.json',
                img_prefix=data_root + 'images/',
                dataset_ids='alone'),
            dict(
                ann_file=data_root + 'annotations/train.json',
                img_prefix=data_root + 'images/',
                dataset_ids='class'),
        ]))
