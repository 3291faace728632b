"""Images on disk to a resumed run, through MMEngine's Runner."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.models.backbones import ResNet
from mmpretrain.registry import MODELS

from helpers.contrastive_images import write_coco, write_image
from helpers.tiny_moco import CONFIG
from mmdet_ddpm_moco.models.moco import DatasetMoCo

CONFIGS = Path(__file__).parents[2] / 'configs' / 'mocov2'


def sources(folder):
    """Nine unlabeled images, two shots, three windows of a bank."""
    for index in range(9):
        write_image(folder / 'unlabeled' / f'{index}.png', seed=index)
    box = (3, 4, 20, 30)
    shots = write_coco(
        folder / 'shots',
        {'a.png': [('dent', box)], 'b.png': [('scratch', box)]},
        ['dent', 'scratch'],
    )
    bank = write_coco(
        folder / 'bank',
        {'a.png': [('dent', box)], 'b.png': [('dent', box)], 'c.png': []},
        ['scratch', 'dent'],
    )
    return [
        dict(img_folder=str(folder / 'unlabeled'), dataset_ids='image'),
        dict(shots, dataset_ids='class'),
        dict(bank, dataset_ids='class', crop=False),
    ]


def config(folder, iterations, **changes):
    """The shipped CPU config, on tiny images and with the tiny model."""
    config = Config.fromfile(
        CONFIGS / 'mocov2_r18_1xb64-coslr-530i_neu-det.py'
    )
    pipeline = config.train_dataloader.dataset.pipeline
    pipeline[0].scale = 32
    # No class is seen in two of these few images.
    config.custom_hooks[1].labeled = None
    config.merge_from_dict(
        {
            'model.queue_len': 24,
            'model.feat_dim': CONFIG['feat_dim'],
            'model.backbone': CONFIG['backbone'],
            'model.neck': CONFIG['neck'],
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.sources': sources(folder),
            'train_cfg.max_iters': iterations,
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.logger.interval': 1,
            'work_dir': str(folder / 'run'),
            'experiment_name': f'{folder.name}-{iterations}',
            **changes,
        }
    )
    return config


class RecordStart(Hook):
    """Keeps the weights that training starts from."""

    def before_train(self, runner):
        self.state = {
            k: v.clone() for k, v in runner.model.state_dict().items()
        }


@pytest.mark.slow
def test_trains_and_resumes(tmp_path):
    first = Runner.from_cfg(config(tmp_path, 3))
    first.train()
    assert first.iter == 3
    assert first.train_dataloader.dataset.metainfo['classes'] == (
        'background',
        'dent',
        'scratch',
    )
    state = first.model.state_dict()
    assert int(state['queue_fill']) == int(state['queue_ptr']) == 12
    # 3 classes, then an id for each of the 9 unlabeled images.
    assert set(state['queue_dataset_ids'][:12].tolist()) <= set(range(12))
    assert (state['queue_dataset_ids'][12:] == -1).all()
    assert len(set(state['queue_image_ids'][:12].tolist())) == 12
    losses = first.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 3 and (losses > 0).all()

    second = Runner.from_cfg(config(tmp_path, 9, resume=True))
    start = RecordStart()
    second.register_hook(start)
    second.train()
    for name, value in state.items():
        assert torch.equal(start.state[name], value), name
    assert second.iter == 9
    assert int(second.model.queue_fill) == 24
    assert int(second.model.queue_ptr) == 36 % 24


@pytest.mark.parametrize(
    'leaf, depth, queue_len',
    [
        ('mocov2_r18_1xb64-coslr-530i_neu-det.py', 18, 1024),
        ('mocov2_r50_1xb128-coslr-200e_neu-det.py', 50, 8192),
    ],
)
def test_models_of_the_shipped_configs(leaf, depth, queue_len):
    config = Config.fromfile(CONFIGS / leaf)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
    assert isinstance(model, DatasetMoCo)
    assert isinstance(model.backbone, ResNet)
    assert model.backbone.depth == depth
    assert model.queue.shape == (128, queue_len)
    options = model.head.loss_module.options
    assert options['temperature'] == 0.07
    assert options['mask_same_image']


def test_normalizes_as_mmdets_detectors_do():
    from mmdet.models.data_preprocessors import DetDataPreprocessor
    from mmpretrain.models.utils import SelfSupDataPreprocessor

    model = Config.fromfile(
        CONFIGS / 'mocov2_r18_1xb64-coslr-530i_neu-det.py'
    ).model
    arguments = dict(model.data_preprocessor)
    assert arguments.pop('type') == 'SelfSupDataPreprocessor'
    ours = SelfSupDataPreprocessor(**arguments)
    detector = Config.fromfile(
        Path(torch.__file__).parents[1]
        / 'mmdet/.mim/configs/_base_/models/faster-rcnn_r50_fpn.py'
    ).model.data_preprocessor
    detector.pop('type')
    theirs = DetDataPreprocessor(**detector)
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    ours = ours(dict(inputs=[image[None]], data_samples=[]))['inputs'][0]
    theirs = theirs(dict(inputs=[image], data_samples=[]))['inputs']
    torch.testing.assert_close(ours, theirs)
