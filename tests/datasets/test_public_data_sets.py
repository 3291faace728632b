"""Public data sets, from the layouts they have to what their configs read.

The commands and the configs are those of docs/own-data.md.
"""

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import mmengine.registry
import pytest
from mmcv import rescale_size
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.runner import Runner

from helpers.public_sets import SETS, SIZE
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.utils.paths import find_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/own-data.md').read_text()
PAGE = TEXT.split('\n## Public data sets\n')[1].split('\n## ')[0]
# Images of each class, enough for the few-shot subsets of the commands.
COUNTS = {'data/NEU-DET': 60}
# Width and height of images as they are, and as the detector gets them.
SCALES = {
    'data/NEU-DET': ((200, 200), (200, 200)),
    'data/GC10-DET': ((2048, 1000), (1333, 651)),
    'data/tianchi': ((2560, 1920), (1333, 1000)),
    'data/magnetic-tile': ((400, 200), (320, 160)),
    'data/severstal': ((1600, 256), (1600, 256)),
}
# What the detector of a set needs, if not all of it.
PLANNED = {
    'data/NEU-DET': ['teacher'],
    'data/magnetic-tile': ['generator', 'bank'],
}


@pytest.fixture(autouse=True, scope='module')
def registered():
    register_all_modules(init_default_scope=True)


def command_of(data_root):
    """The documented command that prepares a data set."""
    commands = PAGE.replace('\\\n    ', '')
    pattern = rf'^python tools/prepare_dataset\.py .*> {data_root}( .*)?$'
    (found,) = re.finditer(pattern, commands, re.MULTILINE)
    return found.group()


def config_of(data_root):
    """The config in the row of a data set."""
    (row,) = re.findall(rf'^.*`{data_root}`.*$', PAGE, re.MULTILINE)
    return ROOT / 'docs' / re.findall(r'\]\((\S+\.py)\)', row)[0]


def data_of(cfg, split):
    """The data set of a split, without wrappers."""
    dataset = cfg[f'{split}_dataloader'].dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


@pytest.fixture(scope='module', params=SETS)
def folder(request, tmp_path_factory):
    """Where the command of a data set has run, and its root there."""
    data_root = request.param
    folder = tmp_path_factory.mktemp('set')
    make, _ = SETS[data_root]
    make(folder / 'set', COUNTS.get(data_root, 15))
    (folder / 'configs').symlink_to(ROOT / 'configs')
    command = re.sub('<.*>', 'set', command_of(data_root))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, 'argv', shlex.split(command)[1:])
        runpy.run_path(str(ROOT / sys.argv[0]), run_name='__main__')
    return folder, data_root


@pytest.mark.slow
def test_its_config_reads_what_its_command_writes(folder, monkeypatch):
    monkeypatch.chdir(folder[0])
    _, classes = SETS[folder[1]]
    cfg = Config.fromfile(config_of(folder[1]))
    seen = set()
    for split in ('train', 'val', 'test'):
        dataset = DATASETS.build(data_of(cfg, split))
        coco = json.loads(Path(dataset.ann_file).read_text())
        assert tuple(c['name'] for c in coco['categories']) == classes
        assert dataset.metainfo['classes'] == classes
        # Defect-free images are trained on and tested on.
        assert len(dataset) == len(coco['images']) > 0
        if split != 'train':
            evaluator = cfg[f'{split}_evaluator']
            assert Path(evaluator.ann_file) == Path(dataset.ann_file)
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            name = Path(info['img_path']).name
            kind = re.split(r'--|_\d+\.', name)[0]
            labels = [i['bbox_label'] for i in info['instances']]
            assert [classes[n] for n in labels] == (
                [] if kind == 'none' else [kind]
            )
            seen.add(kind)
    assert seen - {'none'} == set(classes)
    unlabeled = json.loads(
        Path(folder[1], 'annotations/unlabeled.json').read_text()
    )
    assert len(unlabeled['images']) == (folder[1] == 'data/GC10-DET')


@pytest.mark.slow
def test_its_stages_read_the_same(folder, monkeypatch):
    """All stages are planned from the training images."""
    monkeypatch.chdir(folder[0])
    path = config_of(folder[1])
    cfg = fill_hooks(Config.fromfile(path))
    planned = {stage.name: stage for stage in stages_of(cfg)}
    every = ['generator', 'bank', 'backbone']
    assert [*planned] == PLANNED.get(folder[1], every)
    names = (folder[0] / folder[1] / 'lists/train.txt').read_text().split('\n')
    for stage in planned.values():
        if stage.images:
            images = {Path(image).name for image in stage.images()}
            assert images - {'img_05_00000.jpg'} <= set(names)
    if 'generator' in planned:
        assert_generator_fits(cfg, folder[1])
    if 'backbone' in planned:
        assert_backbone_fits(cfg, folder[1])


def channels_of(data_root):
    return 3 if data_root == 'data/tianchi' else 1


def assert_generator_fits(cfg, data_root):
    _, classes = SETS[data_root]
    path = config_of(data_root)
    generator = Config.fromfile(find_config(cfg.stages.generator.config, path))
    windows = mmengine.registry.DATASETS.build(
        generator.train_dataloader.dataset
    )
    assert windows.classes == (*classes, 'background')
    assert generator.model.num_classes == len(classes)
    channels = channels_of(data_root)
    assert windows[0]['image'].shape[0] == channels
    assert generator.model.get('channels', 1) == channels
    assert cfg.stages.bank.get('max_window', 128) == windows.max_window


def assert_backbone_fits(cfg, data_root):
    _, classes = SETS[data_root]
    path = config_of(data_root)
    backbone = Config.fromfile(find_config(cfg.stages.backbone.config, path))
    views, _ = backbone.train_dataloader.dataset.pop('pipeline')
    color = 'color' if channels_of(data_root) == 3 else 'grayscale'
    assert views.color_type == color
    pairs = mmengine.registry.DATASETS.build(backbone.train_dataloader.dataset)
    assert set(pairs.metainfo['classes']) == {*classes, 'background'}
    probe = backbone.custom_hooks[1].labeled
    assert Path(probe.ann_file).is_file()


@pytest.mark.parametrize('data_root', SETS)
def test_class_command_heads_and_scale_agree(data_root):
    _, classes = SETS[data_root]
    cfg = Config.fromfile(config_of(data_root))
    kind = DATASETS.get(data_of(cfg, 'train').type)
    assert kind.METAINFO['classes'] == classes
    assert len(set(kind.METAINFO['palette'])) == len(classes)
    assert command_of(data_root) == kind.PREPARE_COMMAND
    assert f'`{kind.__name__}` | `{data_root}`' in PAGE
    heads = cfg.model.roi_head
    for head in (heads.bbox_head, heads.get('mask_head', heads.bbox_head)):
        assert head.num_classes == len(classes)
    stored, shown = SCALES[data_root]
    for split in ('train', 'val', 'test'):
        pipeline = data_of(cfg, split).pipeline
        (scale,) = (t.scale for t in pipeline if t.type == 'Resize')
        assert rescale_size(stored, scale) == shown


@pytest.mark.slow
@pytest.mark.parametrize(
    'folder', ['data/severstal'], indirect=True, ids=['severstal']
)
def test_mask_rcnn_trains_on_severstal(folder, monkeypatch):
    """Two steps and a validation of boxes and masks, with a small model."""
    monkeypatch.chdir(folder[0])
    cfg = Config.fromfile(config_of(folder[1]))
    model = cfg.model
    model.backbone.update(depth=18, base_channels=8)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    model.rpn_head.update(in_channels=16, feat_channels=16)
    model.train_cfg.rpn_proposal.update(nms_pre=50, max_per_img=20)
    model.test_cfg.rpn.update(nms_pre=50, max_per_img=20)
    heads = model.roi_head
    for part in (heads.bbox_roi_extractor, heads.mask_roi_extractor):
        part.out_channels = 16
    heads.bbox_head.update(in_channels=16, fc_out_channels=32)
    heads.mask_head.update(in_channels=16, conv_out_channels=16)
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        for transform in loader.dataset.pipeline:
            if transform.type == 'Resize':
                transform.scale = SIZE
    cfg.train_dataloader.batch_size = 2
    # Four sheets with a defect.
    cfg.train_dataloader.dataset.update(
        indices=4, filter_cfg=dict(filter_empty_gt=True)
    )
    cfg.val_dataloader.dataset.indices = 2
    cfg.train_cfg.max_epochs = 1
    cfg.custom_hooks = []
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = 'run'
    cfg.experiment_name = 'severstal'
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    scalars = runner.message_hub.log_scalars
    for key in ('train/loss_mask', 'train/loss_bbox'):
        assert scalars[key].data[0][-1] > 0
    assert {'val/coco/bbox_mAP', 'val/coco/segm_mAP'} <= scalars.keys()
