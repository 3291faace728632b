# After how many image-steps the baseline levels off, scored on the images that
# choices are made on. A step takes 4 images.
def steps(number):
    return dict(
        config='variants/imagenet_baseline.py',
        options={
            'train_cfg.max_iters': number,
            'param_scheduler.1.end': number,
            'test_dataloader.dataset.ann_file': 'annotations/val.json',
            'test_evaluator.ann_file': (
                'data/NEU-DET-benchmark/annotations/val.json'
            ),
        },
        own_schedule=True,
        note=f'{4 * number} image-steps',
    )


_numbers = (90, 180, 360, 720, 1440, 2880)
variants = {f'{number}_steps': steps(number) for number in _numbers}
reference = '360_steps'
shots = [20]
seeds = [0, 1]
data_root = 'data/NEU-DET-benchmark'
test_ann_file = 'annotations/val.json'
work_dir = 'work_dirs/benchmarks/neu_det_learning_curve'
