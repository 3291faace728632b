"""Teachers of a fold, and of a detector whose weights were turned away."""

import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.tiny_admission import (
    JudgedTools,
    add_line,
    read_admission,
    write_admission,
    write_list,
)
from helpers.tiny_stages import HOOK
from mmdet_ddpm_moco.engine.admission import admit
from mmdet_ddpm_moco.engine.admission_folds import Fold
from mmdet_ddpm_moco.engine.image_sets import labeled_images
from mmdet_ddpm_moco.engine.inputs import images_of
from mmdet_ddpm_moco.engine.leakage import check_planned_leakage
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.teacher_stage import read_teacher


@pytest.fixture
def file(tmp_path):
    return write_admission(tmp_path)


def fold_of(cfg, *parts):
    folder = cfg.stages.root + '/admission/0'
    labeled = labeled_images(cfg)
    fold = Fold(cfg, labeled, ['1.png', '4.png'], Path(folder), 'x')
    return Config.fromfile(fold.detector(parts, {}))


def labels_of(teacher):
    return [path.name for path in images_of(teacher.train_dataloader)]


def with_teachers(file, **recipe):
    cfg = read_admission(file)
    cfg.stages.teacher.update(recipe)
    return cfg


def write_teacher(file, text=''):
    """A config of their own beside the detector's, its hook as given."""
    shutil.copy(file, file.parent / 'teacher.py')
    add_line(file.parent / 'teacher.py', text)
    return dict(config='teacher.py')


@pytest.mark.parametrize('own', [False, True])
@pytest.mark.parametrize('labels', ['given', 'by option', 'as a whole'])
def test_teachers_do_not_see_the_labels_of_the_fold(file, own, labels):
    recipe = write_teacher(file) if own else {}
    root = file.parent
    few = write_list(
        root / 'few.json', root / 'labeled/train.json', [0, 1, 2, 4]
    )
    options, seen = {'train_cfg.max_epochs': 7}, ['0.png', '2.png']
    if labels == 'given':
        seen = [f'{i}.png' for i in (0, 2, 3, 5)]
    elif labels == 'by option':
        options['train_dataloader.dataset.ann_file'] = few
    else:
        data = read_admission(file).train_dataloader.dataset.to_dict()
        options['train_dataloader'] = dict(
            batch_size=1,
            dataset=dict(
                _delete_=True,
                type='RepeatDataset',
                times=2,
                dataset=dict(data, ann_file=few),
            ),
        )
    cfg = with_teachers(file, **recipe, options=options)
    before = cfg.pretty_text
    fold = fold_of(cfg, 'scenes')
    assert cfg.pretty_text == before
    for _ in range(2):  # reading takes nothing from the recipe
        teacher = read_teacher(fold)
        assert labels_of(teacher) == seen
        assert teacher.train_cfg.max_epochs == 7
    if labels == 'as a whole':
        assert {*teacher.train_dataloader.dataset} == {
            'type',
            'times',
            'dataset',
        }
    stages = stages_of(fold)
    assert 'teacher' in [stage.name for stage in stages]
    check_planned_leakage(fold, {s.name: s.images for s in stages if s.images})


@pytest.mark.parametrize('spelling', ['root', 'root/moco/../'])
def test_teachers_of_their_own_start_from_weights_of_the_fold(file, spelling):
    path = f'{file.parent}/{spelling}/moco/backbone.pth'
    hook = dict(type=HOOK, checkpoint=path)
    recipe = write_teacher(file, f'custom_hooks = [{hook}]')
    # Also where the detector has none.
    fold = fold_of(with_teachers(file, **recipe), 'scenes')
    weights = f'{fold.stages.root}/moco/backbone.pth'
    assert read_teacher(fold).custom_hooks == [
        dict(type=HOOK, checkpoint=weights)
    ]
    assert [s.name for s in stages_of(fold)] == ['backbone', 'teacher']


def test_a_prefix_is_that_of_the_teachers_labels(file):
    # Where the recipe names none.
    root = file.parent
    shutil.copytree(root / 'all', root / 'copied')
    data = dict(data_root=str(root / 'copied'))
    recipe = write_teacher(file, f"train_dataloader['dataset'].update({data})")
    cfg = with_teachers(
        file,
        **recipe,
        unlabeled=str(root / 'copied/train.json'),
        unlabeled_prefix=None,
    )
    fold = fold_of(cfg, 'scenes')
    assert fold.stages.teacher.unlabeled_prefix == str(root / 'copied/images')


def named_hook(file, part, text):
    """The detector's file with a hook that names a part by its path."""
    hook = dict(type=HOOK, scenes=str(file.parent / 'root' / 'scenes'))
    hook[part] = text
    add_line(file, f'custom_hooks = [{hook}]')


def starts_of(cfg):
    return [
        hook.checkpoint
        for hook in read_teacher(cfg).custom_hooks
        if 'checkpoint' in hook
    ]


@pytest.mark.parametrize('spelling', ['root', 'root/.'])
def test_teachers_do_not_start_from_what_was_turned_away(file, spelling):
    weights = f'{file.parent}/{spelling}/moco/backbone.pth'
    named_hook(file, 'checkpoint', weights)
    cfg = read_admission(file)
    assert starts_of(cfg) == [weights]
    harm = JudgedTools(without=4, checkpoint=0, scenes=4)
    found = admit(cfg, harm)
    assert [(v.part, v.kept) for v in found] == [
        ('checkpoint', False),
        ('scenes', True),
    ]
    assert starts_of(cfg) == []
    assert read_teacher(cfg).custom_hooks == []
    assert [stage.name for stage in stages_of(cfg)] == ['teacher']


def test_weights_that_no_stage_makes_stay(file):
    weights = str(file.parent / 'root' / 'moco' / 'backbone.pth')
    named_hook(file, 'checkpoint', weights)
    cfg = read_admission(file)
    del cfg.stages['backbone']
    assert starts_of(cfg) == [weights]


def test_teachers_of_their_own_keep_what_they_name(file):
    recipe = write_teacher(file)
    weights = str(file.parent / 'root' / 'moco' / 'backbone.pth')
    named_hook(file, 'checkpoint', weights)
    cfg = with_teachers(file, **recipe)
    admit(cfg, JudgedTools(without=4, checkpoint=0, scenes=4))
    assert 'checkpoint' not in cfg.custom_hooks[0]
    assert [s.name for s in stages_of(cfg)] == ['backbone', 'teacher']


def test_teachers_that_know_all_labels_are_refused_first(file):
    hook = dict(type=HOOK, checkpoint='old/backbone.pth')
    recipe = write_teacher(file, f'custom_hooks = [{hook}]')
    tools = JudgedTools()
    with pytest.raises(ValueError, match=r'weights old/backbone\.pth of'):
        admit(with_teachers(file, **recipe), tools)
    assert tools.trained == []
