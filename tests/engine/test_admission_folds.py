"""No stage of a fold sees the images that it is judged on."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.tiny_admission import (
    near_copy,
    read_admission,
    write_admission,
    write_list,
)
from mmdet_ddpm_moco.engine.admission_folds import Fold
from mmdet_ddpm_moco.engine.image_sets import labeled_images
from mmdet_ddpm_moco.engine.inputs import ann_files, images_of
from mmdet_ddpm_moco.engine.leakage import check_planned_leakage
from mmdet_ddpm_moco.engine.stage_plan import stages_of

HELD_OUT = ['1.png', '4.png']


@pytest.fixture
def cfg(tmp_path):
    return read_admission(write_admission(tmp_path))


def make(cfg, tmp_path):
    return Fold(cfg, labeled_images(cfg), HELD_OUT, tmp_path / 'fold', 'x')


def detector(fold, *parts, **options):
    return Config.fromfile(fold.detector(parts, options))


def test_all_inputs_are_without_the_fold(cfg, tmp_path):
    before = cfg.pretty_text
    fold = detector(make(cfg, tmp_path), 'checkpoint', 'scenes', 'bank')
    assert cfg.pretty_text == before
    labeled = tmp_path / 'labeled/images'
    tested = {path.resolve() for path in images_of(fold.test_dataloader)}
    assert tested == {labeled / name for name in HELD_OUT}
    others = {labeled / f'{i}.png' for i in (0, 2, 3, 5)}
    configs = [
        fold,
        *(
            Config.fromfile(fold.stages[name].config)
            for name in ('generator', 'backbone')
        ),
    ]
    for stage in configs:
        (file,) = set(ann_files(stage.train_dataloader))
        names = {
            i['file_name']
            for i in json.loads(Path(file).read_bytes())['images']
        }
        assert names == {path.name for path in others}
    unlabeled = json.loads(Path(fold.stages.teacher.unlabeled).read_bytes())
    # The other three of the nine are labeled.
    names = {i['file_name'] for i in unlabeled['images']}
    assert names == {f'{i}.png' for i in range(3, 9)}
    stages = stages_of(fold)
    assert [s.name for s in stages] == [
        'generator',
        'bank',
        'backbone',
        'teacher',
    ]
    root = tmp_path / 'fold/stages'
    assert all(root in s.output.parents for s in stages)
    check_planned_leakage(fold, {s.name: s.images for s in stages if s.images})


@pytest.mark.parametrize(
    'parts, stages',
    [
        ((), []),
        (('checkpoint',), ['backbone']),
        (('scenes',), ['teacher']),
        (('bank',), ['generator', 'bank']),
        (('scenes', 'bank'), ['generator', 'bank', 'teacher']),
    ],
)
def test_a_detector_has_the_parts_that_are_asked_for(
    cfg, tmp_path, parts, stages
):
    fold = make(cfg, tmp_path)
    found = detector(fold, *parts, **{'train_cfg.max_epochs': 7})
    assert [s.name for s in stages_of(found)] == stages
    assert found.train_cfg.max_epochs == 7
    hooks = [{*hook} - {'type'} for hook in found.custom_hooks]
    assert hooks == ([{*parts}] if parts else [])


def test_a_bank_that_learns_from_scenes_has_them_made(cfg, tmp_path):
    cfg.stages.generator.scenes = True
    found = detector(make(cfg, tmp_path), 'bank')
    assert [s.name for s in stages_of(found)] == [
        'teacher',
        'generator',
        'bank',
    ]


def test_a_backbone_that_learns_from_scenes_has_them_made(cfg, tmp_path):
    contrast(cfg, tmp_path, dict(ann_file='replaced.json', img_prefix='x'))
    cfg.stages.backbone.scenes = True
    found = detector(make(cfg, tmp_path), 'checkpoint')
    assert [s.name for s in stages_of(found)] == ['teacher', 'backbone']


def contrast(cfg, tmp_path, *sources):
    text = (
        "train_dataloader = dict(dataset=dict(type='ContrastiveDataset', "
        f'sources={[*sources]!r}))\n'
    )
    (tmp_path / 'moco.py').write_text(text)


def test_other_lists_lose_the_images_of_the_fold(cfg, tmp_path):
    # `all` has the labeled images 0, 1 and 2 again, under the same contents.
    source = dict(
        ann_file=str(tmp_path / 'all/train.json'),
        img_prefix=str(tmp_path / 'all/images'),
        dataset_ids='image',
    )
    contrast(cfg, tmp_path, source)
    found = detector(make(cfg, tmp_path), 'checkpoint')
    moco = Config.fromfile(found.stages.backbone.config)
    names = [p.name for p in images_of(moco.train_dataloader)]
    assert names == ['0.png', *(f'{i}.png' for i in range(2, 9))]


def test_lists_of_one_name_are_not_mixed_up(cfg, tmp_path):
    # Both are called train.json, and each has images of the fold.
    for name, kept in (('first', [0, 1]), ('second', [4, 5])):
        labels = tmp_path / 'labeled/train.json'
        write_list(tmp_path / name / 'train.json', labels, kept)
    sources = [
        dict(
            ann_file=str(tmp_path / name / 'train.json'),
            img_prefix=str(tmp_path / 'labeled/images'),
            dataset_ids='image',
        )
        for name in ('first', 'second', 'first')
    ]
    contrast(cfg, tmp_path, *sources)
    found = detector(make(cfg, tmp_path), 'checkpoint')
    moco = Config.fromfile(found.stages.backbone.config)
    names = [p.name for p in images_of(moco.train_dataloader)]
    assert names == ['0.png', '5.png', '0.png']


def test_near_copies_are_left_out_too(cfg, tmp_path):
    images = tmp_path / 'all/images'
    near_copy(tmp_path / 'labeled/images/4.png', images / '7.png')
    source = dict(
        ann_file=str(tmp_path / 'all/train.json'),
        img_prefix=str(images),
        dataset_ids='image',
    )
    contrast(cfg, tmp_path, source)
    found = detector(make(cfg, tmp_path), 'checkpoint', 'scenes', 'bank')
    moco = Config.fromfile(found.stages.backbone.config)
    names = {path.name for path in images_of(moco.train_dataloader)}
    assert names == {f'{i}.png' for i in (0, 2, 3, 4, 5, 6, 8)}
    unlabeled = json.loads(Path(found.stages.teacher.unlabeled).read_bytes())
    names = {image['file_name'] for image in unlabeled['images']}
    assert names == {f'{i}.png' for i in (3, 4, 5, 6, 8)}
    stages = stages_of(found)
    check_planned_leakage(
        found, {s.name: s.images for s in stages if s.images}
    )


def test_unlabeled_images_that_are_near_copies_are_no_others(cfg, tmp_path):
    folder = tmp_path / 'turned'
    folder.mkdir()
    near_copy(tmp_path / 'labeled/images/1.png', folder / 'a.png')
    cfg.stages.teacher.unlabeled = str(folder)
    with pytest.raises(ValueError, match='turned are near copies of labeled'):
        make(cfg, tmp_path)


@pytest.mark.parametrize('kind', ['folder', 'table'])
@pytest.mark.parametrize('copied', [True, False])
def test_listings_with_images_of_the_fold_are_refused(
    cfg, tmp_path, kind, copied
):
    images = tmp_path / 'others'
    images.mkdir()
    (images / '7.png').write_bytes(
        (tmp_path / 'all/images/7.png').read_bytes()
    )
    if copied:
        near_copy(tmp_path / 'labeled/images/1.png', images / '7.png')
    source = dict(img_folder=str(images), dataset_ids='image')
    if kind == 'table':
        table = tmp_path / 'lines.csv'
        table.write_text('file_name,line\n7.png,1\n')
        source = dict(
            table=str(table),
            img_prefix=str(images),
            dataset_ids='column',
            column='line',
        )
    contrast(cfg, tmp_path, source)
    if not copied:
        make(cfg, tmp_path)
        return
    with pytest.raises(ValueError, match=r'has labeled images.*COCO json'):
        make(cfg, tmp_path)


def test_settings_of_folds_may_name_other_labels(cfg, tmp_path):
    few = write_list(
        tmp_path / 'few.json', tmp_path / 'labeled/train.json', [0, 1, 2]
    )
    options = {'train_dataloader.dataset.ann_file': few}
    found = detector(make(cfg, tmp_path), 'bank', **options)
    names = [path.name for path in images_of(found.train_dataloader)]
    assert names == ['0.png', '2.png']


def test_a_fold_that_goes_on_has_the_same_configs(cfg, tmp_path):
    # The backbone learns from windows, which are there the second time.
    bank = tmp_path / 'root/bank'
    source = dict(
        ann_file=f'{bank}/annotations.json',
        img_prefix=f'{bank}/images',
        dataset_ids='image',
    )
    contrast(cfg, tmp_path, source)
    moco = detector(make(cfg, tmp_path), 'checkpoint').stages.backbone.config
    before = Path(moco).read_text()
    made = tmp_path / 'fold/stages/bank'
    assert str(made) in before
    (made / 'images').mkdir(parents=True)
    # Not a list to be filtered, whatever is in it.
    windows = (tmp_path / 'labeled/images/1.png').read_bytes()
    (made / 'images/1.png').write_bytes(windows)
    write_list(made / 'annotations.json', tmp_path / 'labeled/train.json', [1])
    make(cfg, tmp_path)
    assert Path(moco).read_text() == before


def test_settings_replace_a_whole_part_in_every_detector(cfg, tmp_path):
    new = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1.0))
    options = dict(optim_wrapper=dict(new, _delete_=True))
    cfg.optim_wrapper.clip_grad = dict(max_norm=3)
    fold = make(cfg, tmp_path)
    for parts in ([], ['bank'], []):
        assert detector(fold, *parts, **options).optim_wrapper == new


def test_detectors_of_other_stages_are_other_runs(cfg, tmp_path):
    labeled = labeled_images(cfg)
    found = [
        Fold(cfg, labeled, HELD_OUT, tmp_path / 'fold', made_from)
        for made_from in ('a', 'b')
    ]
    first, second = (detector(fold, 'bank').work_dir for fold in found)
    assert first != second
    first, second = (detector(fold).work_dir for fold in found)
    assert first == second


def test_a_list_of_images_alone_loses_those_of_the_fold(cfg, tmp_path):
    images = json.loads((tmp_path / 'labeled/train.json').read_bytes())
    (tmp_path / 'names.json').write_text(
        json.dumps(dict(images=images['images']))
    )
    source = dict(
        ann_file=str(tmp_path / 'names.json'),
        img_prefix=str(tmp_path / 'labeled/images'),
        dataset_ids='image',
    )
    contrast(cfg, tmp_path, source)
    found = detector(make(cfg, tmp_path), 'checkpoint')
    moco = Config.fromfile(found.stages.backbone.config)
    names = [p.name for p in images_of(moco.train_dataloader)]
    assert names == [f'{i}.png' for i in (0, 2, 3, 5)]
