# Magnetic tiles on two CPU cores.
_base_ = './mocov2_r18_1xb64-coslr-530i_neu-det.py'

data_root = 'data/magnetic-tile/'
labeled = dict(
    ann_file=data_root + 'annotations/train.json',
    img_prefix=data_root + 'images/',
)

train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(**labeled, dataset_ids='image'),
            dict(**labeled, dataset_ids='class', background=1, share=0.25),
        ]
    )
)
custom_hooks = [
    dict(type='mmdet_ddpm_moco.ExportBackboneHook'),
    dict(
        type='mmdet_ddpm_moco.ContrastiveProgressHook',
        labeled=dict(**labeled, background=1),
    ),
]
