"""The dataset classes as mmdet builds and reads them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules
from mmengine.config import Config

from helpers.mask_maker import write_pair
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.datasets.aluminium_plate_dataset import (
    AluminiumPlateDataset,
)
from mmdet_ddpm_moco.datasets.magnetic_tile_dataset import MagneticTileDataset
from mmdet_ddpm_moco.datasets.neu_det_dataset import NEUDETDataset
from mmdet_ddpm_moco.demo import plates

NEU_CLASSES = (
    'crazing',
    'inclusion',
    'patches',
    'pitted_surface',
    'rolled-in_scale',
    'scratches',
)
TILE_KINDS = ('Blowhole', 'Break', 'Crack', 'Fray', 'Uneven')
ROOT = Path(__file__).parents[2]
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
]


@pytest.fixture(autouse=True, scope='module')
def registered():
    register_all_modules(init_default_scope=True)


@pytest.fixture
def demo(tmp_path, monkeypatch):
    sizes = {'train': (3, 1), 'unlabeled': (2, 0), 'test': (1, 0)}
    monkeypatch.setattr(plates, 'SPLITS', sizes)
    plates.make_demo_set(tmp_path / 'demo')
    return tmp_path / 'demo'


def build(kind: str, root: Path, **more) -> CocoDataset:
    config = dict(
        type=kind,
        data_root=str(root),
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/'),
        pipeline=PIPELINE,
        **more,
    )
    return DATASETS.build(config)


def write_neu(root: Path, names) -> None:
    """One image with one box per category, ids neither 0- nor 1-based."""
    for folder in ('annotations', 'images'):
        (root / folder).mkdir(parents=True)
    cv2.imwrite(str(root / 'images' / 'a.png'), np.zeros((200, 200), np.uint8))
    boxes = [
        dict(
            id=n,
            image_id=1,
            category_id=10 * n,
            bbox=[10 * n, 0, 9, 9],
            area=81,
            iscrowd=0,
        )
        for n in range(1, len(names) + 1)
    ]
    coco = dict(
        images=[dict(id=1, file_name='a.png', width=200, height=200)],
        annotations=boxes,
        categories=[
            dict(id=10 * n, name=name) for n, name in enumerate(names, 1)
        ],
    )
    (root / 'annotations' / 'train.json').write_text(json.dumps(coco))


def test_demo_set_reads_through_mmdet(demo):
    dataset = build('AluminiumPlateDataset', demo)
    assert isinstance(dataset, AluminiumPlateDataset)
    assert dataset.metainfo['classes'] == ('corrosion', 'dent', 'scratch')
    coco = json.loads((demo / 'annotations' / 'train.json').read_text())
    names = {c['id']: c['name'] for c in coco['categories']}
    assert len(dataset) == 4
    seen = 0
    for index in range(4):
        sample = dataset[index]
        assert sample['img'].shape == (160, 160, 3)
        own = [
            a for a in coco['annotations'] if a['image_id'] == sample['img_id']
        ]
        labels = sample['gt_bboxes_labels']
        assert [dataset.metainfo['classes'][n] for n in labels] == [
            names[a['category_id']] for a in own
        ]
        boxes = np.array([a['bbox'] for a in own]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        assert np.array_equal(sample['gt_bboxes'].tensor.numpy(), boxes)
        masks = sample['gt_masks'].masks
        assert [m.sum() for m in masks] == [a['area'] for a in own]
        seen += len(own)
    assert seen == len(coco['annotations']) >= 3


def test_neu_det_labels_follow_the_names(tmp_path):
    write_neu(tmp_path, NEU_CLASSES)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
    ]
    dataset = NEUDETDataset(
        data_root=str(tmp_path),
        ann_file='annotations/train.json',
        data_prefix=dict(img='images/'),
        pipeline=pipeline,
    )
    assert dataset.metainfo['classes'] == NEU_CLASSES
    sample = dataset[0]
    columns = sample['gt_bboxes'].tensor[:, 0].tolist()
    assert [int(x / 10) - 1 for x in columns] == list(range(6))
    assert sample['gt_bboxes_labels'].tolist() == list(range(6))


def test_magnetic_tiles_read_through_the_shipped_pipeline(
    tmp_path, monkeypatch
):
    """From folders of masks to what the base config gives a detector."""
    monkeypatch.chdir(tmp_path)
    for number, kind in enumerate((*TILE_KINDS, 'Free')):
        folder = tmp_path / f'src/MT_{kind}/Imgs'
        marks = [] if kind == 'Free' else [(3, 5, 20, 10), (30, 20, 4, 9)]
        write_pair(folder, f'exp1_num_{number}', *marks, seed=number)
    convert_dataset(
        tmp_path / 'src', tmp_path / 'data/magnetic-tile', 'masks',
        ratio=(1, 0, 0),
    )  # fmt: skip
    cfg = Config.fromfile(
        ROOT / 'configs/_base_/datasets/magnetic_tile_detection.py'
    )
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert dataset.metainfo['classes'] == TILE_KINDS
    assert len(dataset) == 6
    for index in range(6):
        sample = dataset[index]
        assert sample['inputs'].shape == (3, 320, 320)
        labels = sample['data_samples'].gt_instances.labels
        assert labels.tolist() == ([index] * 2 if index < 5 else [])
    dataset = build('MagneticTileDataset', tmp_path / 'data/magnetic-tile')
    masks = dataset[0]['gt_masks'].masks
    assert [mask.sum() for mask in masks] == [200, 36]
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert DATASETS.get(loader.dataset.type) is MagneticTileDataset


@pytest.mark.parametrize(
    'kind', ['AluminiumPlateDataset', 'NEUDETDataset', 'MagneticTileDataset']
)
def test_every_class_has_a_color_of_its_own(kind):
    meta = DATASETS.get(kind).METAINFO
    assert len(set(meta['palette'])) == len(meta['classes'])


@pytest.mark.parametrize(
    'names',
    [
        NEU_CLASSES[::-1],
        NEU_CLASSES[:-1],
        ('Crazing', *NEU_CLASSES[1:]),
    ],
)
def test_other_categories_than_the_classes_are_refused(tmp_path, names):
    write_neu(tmp_path, names)
    with pytest.raises(ValueError, match='metainfo=dict') as caught:
        build('NEUDETDataset', tmp_path)
    assert names[0] in str(caught.value) and '\n' not in str(caught.value)


def test_classes_can_be_named_in_the_order_of_the_file(tmp_path):
    write_neu(tmp_path, NEU_CLASSES[::-1])
    dataset = build(
        'NEUDETDataset',
        tmp_path,
        metainfo=dict(classes=('scratches', 'patches')),
    )
    labels = [i['bbox_label'] for i in dataset.get_data_info(0)['instances']]
    assert labels == [0, 1]


@pytest.mark.parametrize(
    'kind, command',
    [
        (
            'AluminiumPlateDataset',
            'python tools/prepare_dataset.py demo data/demo',
        ),
        (
            'NEUDETDataset',
            'python tools/prepare_dataset.py voc <NEU-DET folder> '
            'data/NEU-DET --resplit --few-shot 10 20 40',
        ),
        (
            'MagneticTileDataset',
            'python tools/prepare_dataset.py masks <magnetic-tile folder> '
            r"data/magnetic-tile --group-by 'num_(\d+)'",
        ),
    ],
)
def test_a_missing_file_says_how_to_make_it(tmp_path, kind, command):
    with pytest.raises(FileNotFoundError) as caught:
        build(kind, tmp_path)
    text = str(caught.value)
    assert text.startswith(kind) and '\n' not in text
    assert f'`{command}`' in text
    assert str(tmp_path / 'annotations' / 'train.json') in text


def test_remote_files_are_left_to_their_backend(monkeypatch):
    monkeypatch.setattr(CocoDataset, 'load_data_list', lambda self: ['loaded'])
    dataset = AluminiumPlateDataset(
        ann_file='s3://bucket/train.json', lazy_init=True
    )
    assert dataset.load_data_list() == ['loaded']
