"""The images of a dataset, and the provenance record of a stage."""

import json

import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS

from helpers.tiny_detection import (
    build_dataset,
    coco,
    write_bank,
    write_images,
)
from helpers.tiny_runs import TinyImages, make_runner
from helpers.tiny_stages import reads, write_configs
from mmdet_ddpm_moco.checkpoints.weights_only import load_weights_only
from mmdet_ddpm_moco.datasets.contrastive_dataset import ContrastiveDataset
from mmdet_ddpm_moco.datasets.defect_window_dataset import DefectWindowDataset
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.engine.training_images import (
    image_paths,
    images_trained_on,
)
from mmdet_ddpm_moco.utils.provenance import (
    FILE,
    KEY,
    merge_records,
    record_bytes,
    record_images,
)


@DATASETS.register_module()
class SeenImages(ContrastiveDataset):
    """Shows noise of the size that the tiny detector takes."""

    def __getitem__(self, index):
        return TinyImages()[index % 4]


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / 'data')


def images(root):
    return sorted((root / 'images').glob('*.png'))


def sources(root, bank=None):
    return [
        dict(
            ann_file=str(root / 'train.json'),
            img_prefix=str(root / 'images'),
            dataset_ids='class',
        ),
        *(
            [
                dict(
                    ann_file=f'{bank}/annotations.json',
                    img_prefix=f'{bank}/images',
                    dataset_ids='class',
                    crop=False,
                )
            ]
            if bank
            else []
        ),
    ]


def train_backbone(work_dir, sources, **backbone):
    runner = make_runner(
        dict(
            type='TinyDetector',
            backbone=dict(
                type='mmdet.ResNet', depth=18, base_channels=8, **backbone
            ),
        ),
        work_dir,
        [dict(type='mmdet_ddpm_moco.ExportBackboneHook')],
        train_dataloader=dict(
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='SeenImages', sources=sources),
        ),
        randomness=dict(seed=0),
    )
    runner.train()
    return work_dir / 'backbone.pth'


def test_the_images_of_every_kind_of_dataset(root):
    expected = {str(path) for path in images(root)}
    detection = build_dataset(coco(root))
    windows = DefectWindowDataset(
        str(root / 'train.json'), str(root / 'images'), window=16
    )
    contrast = ContrastiveDataset(sources(root), lazy_init=True)
    for dataset in (
        detection,
        windows,
        contrast,
        RepeatDataset(detection, times=2),
        ConcatDataset([detection, detection]),
    ):
        assert set(image_paths(dataset)) == expected
        assert images_trained_on(dataset) == record_images(images(root))


def test_a_dataset_that_does_not_name_its_files():
    assert list(image_paths(TinyImages())) == []
    assert images_trained_on(TinyImages()) is None


def test_a_bank_has_the_record_of_its_images(tmp_path, root):
    bank = write_bank(tmp_path / 'bank', root)
    dataset = ContrastiveDataset(sources(root, bank))
    # An older bank: its windows are images like others.
    windows = (tmp_path / 'bank' / 'images').glob('*.png')
    assert images_trained_on(dataset) == record_images(
        [*images(root), *windows]
    )
    hosts = record_images([images(write_images(tmp_path / 'b', 6))[5]])
    (tmp_path / 'bank' / FILE).write_bytes(record_bytes(hosts))
    assert images_trained_on(dataset) == merge_records(
        record_images(images(root)), hosts
    )
    # A contrast of windows alone has seen their images all the same.
    alone = ContrastiveDataset(sources(root, bank)[1:])
    assert images_trained_on(alone) == hosts


def test_a_backbone_carries_its_provenance_record(tmp_path, root):
    files = [
        train_backbone(tmp_path / name, sources(root)) for name in ('a', 'b')
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    seen = record_images(images(root))
    assert load_weights_only(files[0])['meta'][KEY] == seen
    # A checkpoint of the run does as well.
    meta = load_weights_only(tmp_path / 'a' / 'epoch_1.pth')['meta']
    assert meta['backbone_record'][KEY] == seen


@pytest.mark.slow
@pytest.mark.parametrize('several', [False, True])
def test_a_backbone_inherits_what_it_started_from(tmp_path, root, several):
    # Those of root and three others.
    more = write_images(tmp_path / 'more', 7)
    first = train_backbone(tmp_path / 'a', sources(more))
    init_cfg = dict(type='Pretrained', checkpoint=str(first))
    second = train_backbone(
        tmp_path / 'b',
        sources(root),
        init_cfg=[init_cfg] if several else init_cfg,
    )
    assert load_weights_only(second)['meta'][KEY] == record_images(
        images(more)
    )


@pytest.mark.parametrize('allowed', [False, True])
def test_a_leak_is_refused_before_stages_are_made(
    tmp_path, root, monkeypatch, allowed
):
    path = write_configs(tmp_path, root, tmp_path / 'root')
    cfg = reads(path, bank=True)
    cfg.custom_hooks[0].allow_leakage = allowed
    made = []
    monkeypatch.setattr(
        'mmdet_ddpm_moco.engine.training_stage.train',
        lambda cfg, *_: made.append(cfg),
    )
    data = json.loads((root / 'train.json').read_text())
    data['images'] = data['images'][1:3]
    (root / 'val.json').write_text(json.dumps(data))
    cfg.val_dataloader = dict(
        dataset=dict(
            data_root=str(root),
            ann_file='val.json',
            data_prefix=dict(img='images/'),
        )
    )
    message = (
        'ran but left no'
        if allowed
        else ('the generator that .* would be made from 2 of the 2 validation')
    )
    with pytest.raises(ValueError, match=message):
        prepare(cfg)
    assert bool(made) == allowed
