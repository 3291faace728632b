import pytest
from mmengine.config import Config

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import (
    HOOK,
    edit,
    load,
    reads,
    write_configs,
)
from mmdet_ddpm_moco.engine.hooks.ddpm_moco_hook import DDPMMoCoHook
from mmdet_ddpm_moco.engine.inputs import inputs_of
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import check_prepared, prepare

pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture
def detector(tmp_path):
    data = write_images(tmp_path / 'data')
    return write_configs(tmp_path, data, tmp_path / 'root')


@pytest.mark.parametrize(
    ('settings', 'names'),
    [
        (dict(bank=True), ['generator', 'bank']),
        (dict(checkpoint=True), ['backbone']),
        (dict(bank=True, checkpoint=True), ['generator', 'bank', 'backbone']),
        (dict(), []),
    ],
)
def test_only_what_the_detector_reads_is_made(detector, settings, names):
    cfg = reads(detector, **settings)
    assert [stage.name for stage in stages_of(cfg)] == names


def test_the_halves_spelled_out_are_read_too(detector):
    cfg = reads(detector)
    root = cfg.root
    cfg.custom_hooks = [
        dict(
            type='ContrastiveInitHook', checkpoint=f'{root}/moco/backbone.pth'
        )
    ]
    inner = dict(
        pipeline=[
            dict(type='LoadAnnotations'),
            dict(
                type='mmdet_ddpm_moco.DiffusionDefectAugment',
                bank=f'{root}/bank',
            ),
        ]
    )
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=inner)
    assert inputs_of(cfg) == (
        {f'{root}/bank'},
        {f'{root}/moco/backbone.pth'},
    )
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['generator', 'bank', 'backbone']


def test_a_bank_in_the_pipeline_of_the_last_epochs_is_read_too(detector):
    cfg = reads(detector)
    augment = dict(type='DiffusionDefectAugment', bank=f'{cfg.root}/bank')
    cfg.custom_hooks = [
        dict(
            type='PipelineSwitchHook',
            switch_epoch=1,
            switch_pipeline=[dict(type='LoadAnnotations'), augment],
        )
    ]
    assert inputs_of(cfg)[0] == {f'{cfg.root}/bank'}


def test_types_may_be_classes(detector):
    """As in MMEngine's configs of pure Python."""
    cfg = dict(
        custom_hooks=[dict(type=DDPMMoCoHook, bank='b', checkpoint='c')]
    )
    assert inputs_of(Config(cfg)) == ({'b'}, {'c'})


@pytest.mark.parametrize('form', ['run/bank/', './run/bank', '{}/run/bank'])
def test_a_path_may_be_written_in_other_ways(
    detector, tmp_path, monkeypatch, form
):
    monkeypatch.chdir(tmp_path)
    cfg = reads(detector)
    cfg.stages.root = 'run'
    cfg.custom_hooks = [dict(type=HOOK, bank=form.format(tmp_path))]
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['generator', 'bank']


def test_other_configs_have_no_stages(detector, tmp_path):
    assert stages_of(load(tmp_path / 'ddpm.py')) == []
    assert stages_of(load(tmp_path / 'moco.py')) == []
    assert stages_of(Config(dict(model=dict()))) == []


def one_line(error):
    message = str(error.value)
    assert '\n' not in message
    assert 'detector.py' in message
    return message


@pytest.mark.parametrize('prepare_it', [prepare, check_prepared])
def test_an_external_bank_that_is_missing(detector, tmp_path, prepare_it):
    cfg = reads(detector, bank=str(tmp_path / 'theirs'))
    with pytest.raises(FileNotFoundError) as error:
        prepare_it(cfg)
    message = one_line(error)
    assert str(tmp_path / 'theirs') in message
    assert 'tools/synthesize.py' in message
    assert not (tmp_path / 'root').exists()


def test_an_external_checkpoint_that_is_missing(detector, tmp_path):
    cfg = reads(detector, checkpoint='theirs.pth')
    with pytest.raises(FileNotFoundError) as error:
        prepare(cfg)
    assert 'theirs.pth' in one_line(error)
    assert 'configs/moco' in str(error.value)


def test_external_ones_that_are_there_are_used_as_they_are(detector, tmp_path):
    (tmp_path / 'theirs').mkdir()
    (tmp_path / 'theirs.pth').write_bytes(b'')
    cfg = reads(
        detector,
        bank=str(tmp_path / 'theirs'),
        checkpoint=str(tmp_path / 'theirs.pth'),
    )
    assert stages_of(cfg) == []
    prepare(cfg)
    check_prepared(cfg)


def test_the_own_bank_without_a_recipe_is_external(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['bank']
    with pytest.raises(FileNotFoundError, match='tools/synthesize'):
        stages_of(cfg)


def test_a_recipe_without_a_generator_is_reported(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['generator']
    with pytest.raises(ValueError, match='generator'):
        stages_of(cfg)


def test_a_recipe_without_a_number_is_reported(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['bank']['num']
    with pytest.raises(ValueError, match='num'):
        stages_of(cfg)


def test_a_setting_that_banks_lack_is_reported(detector):
    cfg = reads(detector, bank=True)
    cfg.stages.bank.stepz = 3
    with pytest.raises(ValueError, match='stepz'):
        prepare(cfg)


def test_the_config_of_a_stage_that_is_missing(detector):
    cfg = reads(detector, checkpoint=True)
    cfg.stages.backbone.config = 'nowhere.py'
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        stages_of(cfg)


def test_stage_configs_are_beside_the_detectors(
    detector, tmp_path, monkeypatch
):
    (tmp_path / 'away').mkdir()
    monkeypatch.chdir(tmp_path / 'away')
    assert len(stages_of(load(detector))) == 3


def test_a_bank_that_the_backbone_reads_is_made_first(detector, tmp_path):
    """The contrastive images may include a bank that nothing else reads."""
    edit(
        tmp_path / 'moco.py',
        "ann_file={data!r} + '/train.json'".replace(
            '{data!r}', repr(str(tmp_path / 'data'))
        ),
        f'ann_file={str(tmp_path / "root" / "bank" / "annotations.json")!r}',
    )
    cfg = reads(detector, checkpoint=True)
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['generator', 'bank', 'backbone']
