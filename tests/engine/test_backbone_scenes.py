"""A backbone that learns from what teachers found."""

import pytest
from mmengine.config import Config

from helpers.tiny_stages import BACKBONE
from helpers.tiny_teachers import (
    read_detector,
    write_data,
    write_detector,
)
from mmdet_ddpm_moco.datasets.contrastive_dataset import ContrastiveDataset
from mmdet_ddpm_moco.engine.inputs import own_hooks
from mmdet_ddpm_moco.engine.learning_from_scenes import learn_from_scenes
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import prepare
from mmdet_ddpm_moco.engine.teacher_config import teacher_config
from mmdet_ddpm_moco.utils.fileio import write_json

SCENES = "train_dataloader['dataset']['ann_file'] = {!r}\n"


pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture(params=['its own config names them', 'scenes=True'])
def new(tmp_path, request):
    """A detector whose backbone reads scenes; nothing is made yet."""
    write_data(tmp_path)
    moco = BACKBONE.replace('{data!r}', repr(str(tmp_path / 'labeled')))
    recipe = dict(config='moco.py')
    if request.param == 'scenes=True':
        recipe['scenes'] = True
    else:
        moco += SCENES.format(str(tmp_path / 'root/scenes/defects.json'))
    (tmp_path / 'moco.py').write_text(moco)
    return write_detector(tmp_path, backbone=recipe)


def names(cfg):
    return [stage.name for stage in stages_of(cfg)]


def test_teachers_come_first_and_start_without_it(new):
    cfg = read_detector(new)
    assert names(cfg) == ['teacher', 'backbone']
    # A command that knows of the scenes: the stage's own config may not.
    config = (
        new if cfg.stages.backbone.get('scenes') else new.parent / 'moco.py'
    )
    command = stages_of(cfg)[1].command
    assert command.startswith(f'python tools/train.py {config}')
    assert cfg.custom_hooks[0].checkpoint  # the detector's own stays
    assert not own_hooks(teacher_config(cfg))


def test_scenes_that_only_the_backbone_reads_are_made(new):
    cfg = read_detector(new)
    del cfg.custom_hooks[0]['scenes']
    assert names(cfg) == ['teacher', 'backbone']
    # And none that nothing reads.
    del cfg.custom_hooks[0]['checkpoint']
    cfg.custom_hooks[0].bank = str(new.parent)
    assert names(cfg) == []


def test_teachers_told_to_start_from_it_wait_for_each_other(new):
    weights = str(new.parent / 'root/moco/backbone.pth')
    hook = dict(type='mmdet_ddpm_moco.DDPMMoCoHook', checkpoint=weights)
    teacher = new.parent / 'teacher.py'
    teacher.write_text(
        f'{new.read_text()}\ncustom_hooks = [{hook!r}]\nstages = None\n'
    )
    cfg = read_detector(new, **{'stages.teacher.config': str(teacher)})
    with pytest.raises(ValueError, match='wait for each other: ') as error:
        stages_of(cfg)
    assert 'from the bank or the scenes: leave one' in str(error.value)


def test_it_sees_all_images_and_their_kinds(tmp_path):
    write_data(tmp_path)
    progress = dict(type='mmdet_ddpm_moco.ContrastiveProgressHook')
    labeled = dict(ann_file='other.json', img_prefix='other', background=1)
    moco = Config(
        dict(
            train_dataloader=dict(dataset=dict(sources=[dict(a=1), {}])),
            custom_hooks=[progress, dict(progress, labeled=labeled)],
        )
    )
    recipe = dict(config='moco.py', scenes=True)
    cfg = read_detector(write_detector(tmp_path, backbone=recipe))
    learn_from_scenes('backbone', moco, cfg, teacher_config(cfg))
    assert moco.custom_hooks[0] == progress
    assert moco.custom_hooks[1].labeled == dict(
        ann_file=str(tmp_path / 'labeled/train.json'),
        img_prefix=str(tmp_path / 'labeled/images'),
        background=1,
    )
    (source,) = moco.train_dataloader.dataset.sources
    # Labeled and unlabeled images lie in different folders of this one.
    size, by_teachers = dict(width=32, height=32), dict(pseudo_labeled=True)
    write_json(
        tmp_path / 'root/scenes/defects.json',
        dict(
            images=[
                dict(id=1, file_name='labeled/images/0.png') | size,
                dict(id=2, file_name='all/images/5.png') | size | by_teachers,
                dict(id=3, file_name='all/images/6.png') | size | by_teachers,
            ],
            annotations=[
                dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 9, 9])
                | dict(area=81, iscrowd=crowd)
                for i, crowd in ((1, 0), (2, 0), (3, 1))
            ],
            categories=[dict(id=1, name='dent'), dict(id=2, name='scratch')],
        ),
    )
    samples = ContrastiveDataset([source])
    assert samples.metainfo['classes'] == ('dent', 'scratch')
    # Of the third teachers are not sure: it is left out.
    assert [samples.get_data_info(i)['dataset_id'] for i in range(2)] == [0, 0]
    assert len(samples) == 2


def test_kinds_need_teachers(tmp_path):
    write_data(tmp_path)
    (tmp_path / 'moco.py').write_text(
        BACKBONE.replace('{data!r}', repr(str(tmp_path / 'labeled')))
    )
    recipe = dict(config='moco.py', scenes=True)
    cfg = read_detector(write_detector(tmp_path, backbone=recipe))
    del cfg.stages.teacher
    cfg.custom_hooks[0].pop('scenes')
    with pytest.raises(
        ValueError, match=r'backbone has scenes=True.*no teach'
    ):
        stages_of(cfg)


@pytest.mark.slow
def test_it_is_trained_on_what_they_found(new, tools):
    cfg = read_detector(new)
    prepare(cfg)
    assert all(stage.fresh() for stage in stages_of(cfg))
    root = new.parent / 'root'
    begun = Config.fromfile(root / 'scenes/teachers/0/detector.py')
    assert not own_hooks(begun)
    # Other kinds, another backbone.
    defects = root / 'scenes/defects.json'
    defects.write_bytes(defects.read_bytes() + b'\n')
    assert [s.fresh() for s in stages_of(cfg)] == [True, False]
