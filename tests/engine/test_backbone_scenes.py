"""A backbone that learns from what teachers found."""

import pytest
from mmengine.config import Config

from helpers.tiny_stages import BACKBONE
from helpers.tiny_teachers import (
    read_detector,
    write_data,
    write_detector,
)
from mmdet_ddpm_moco.engine.inputs import own_hooks
from mmdet_ddpm_moco.engine.stages import prepare, stages_of
from mmdet_ddpm_moco.engine.teacher_config import teacher_config

SCENES = "train_dataloader['dataset']['ann_file'] = {!r}\n"


pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture
def new(tmp_path):
    """A detector whose backbone reads scenes; nothing is made yet."""
    write_data(tmp_path)
    moco = BACKBONE.replace('{data!r}', repr(str(tmp_path / 'labeled')))
    defects = str(tmp_path / 'root/scenes/defects.json')
    (tmp_path / 'moco.py').write_text(moco + SCENES.format(defects))
    return write_detector(tmp_path, backbone=dict(config='moco.py'))


def names(cfg):
    return [stage.name for stage in stages_of(cfg)]


def test_teachers_come_first_and_start_without_it(new):
    cfg = read_detector(new)
    assert names(cfg) == ['teacher', 'backbone']
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
