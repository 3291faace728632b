# The same with windows of the bank as a quarter of the samples; their classes
# are datasets, too.
_base_ = './scratch_mix.py'

bank = 'work_dirs/neu_det_scratch/bank/'
train_dataloader = dict(
    dataset=dict(
        sources=[
            _base_.images,
            dict(_base_.shots, share=0.25),
            dict(
                ann_file=bank + 'annotations.json',
                img_prefix=bank + 'images/',
                dataset_ids='class',
                crop=False,
                share=0.25,
            ),
        ]
    )
)
