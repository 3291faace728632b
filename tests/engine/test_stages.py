import json
import shlex
import shutil
from pathlib import Path

import pytest
import tiny_runs  # noqa: F401  (registers what the configs name)
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny_detection import leave_configs_unformatted, write_images
from tiny_stages import edit, load, write_configs

from mmdet_ddpm_moco.datasets.defect_bank import DefectBank
from mmdet_ddpm_moco.engine import stages as stages_module
from mmdet_ddpm_moco.engine.hooks.ddpm_moco_hook import DDPMMoCoHook
from mmdet_ddpm_moco.engine.inputs import inputs_of
from mmdet_ddpm_moco.engine.stages import (
    prepare,
    refuse_unprepared,
    stages_of,
)
from mmdet_ddpm_moco.engine.training import train
from mmdet_ddpm_moco.synthesis import synthesize
from mmdet_ddpm_moco.synthesis.generator import load_generator

HOOK = 'mmdet_ddpm_moco.DDPMMoCoHook'


def files_of(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


class Killed(BaseException):
    pass


@HOOKS.register_module()
class StopHook(Hook):
    """Kills a stage before its second iteration, when told to."""

    priority = 'LOWEST'
    armed = False

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if StopHook.armed and runner.iter == 1:
            raise Killed


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Small blocks, a painter of noise, and a log that can be read."""
    log = []
    leave_configs_unformatted(monkeypatch)
    monkeypatch.setattr(synthesize, 'BLOCK', 4)
    monkeypatch.setattr(StopHook, 'armed', False)
    monkeypatch.setattr(
        stages_module, 'print_log', lambda text, *_, **__: log.append(text)
    )

    def noise_itself(unet, scheduler, image, mask, label, noise, **_):
        return noise.clamp(-1, 1)

    monkeypatch.setattr(synthesize, 'sample_windows', noise_itself)
    return log


@pytest.fixture
def log(quiet):
    return quiet


@pytest.fixture
def detector(tmp_path):
    data = write_images(tmp_path / 'data')
    return write_configs(tmp_path, data, tmp_path / 'root')


def state(detector):
    return {s.name: s.fresh() for s in stages_of(load(detector))}


FRESH = dict(generator=True, bank=True, backbone=True)


@pytest.fixture(scope='module')
def prepared_once(tmp_path_factory):
    """All stages, made once; tests work on copies."""
    root = tmp_path_factory.mktemp('prepared')
    data = write_images(root / 'data')
    detector = write_configs(root, data, root / 'root')
    with pytest.MonkeyPatch.context() as patch:
        leave_configs_unformatted(patch)
        patch.setattr(synthesize, 'BLOCK', 4)
        patch.setattr(
            synthesize,
            'sample_windows',
            lambda u, s, i, m, lab, noise, **_: noise.clamp(-1, 1),
        )
        prepare(load(detector))
    return root


@pytest.fixture
def prepared(tmp_path, prepared_once):
    """A detector whose stages are all up to date.

    Paths stand in the configs, which say where the folder is, so the copy
    takes the place of the original.
    """
    kept = tmp_path / 'kept'
    shutil.copytree(prepared_once, kept)
    yield prepared_once / 'detector.py'
    shutil.rmtree(prepared_once)
    shutil.copytree(kept, prepared_once)


def test_all_stages_are_made_in_order(detector, tmp_path, log):
    stages = stages_of(load(detector))
    root = tmp_path / 'root'
    assert [(s.name, s.output) for s in stages] == [
        ('generator', root / 'ddpm' / 'generator'),
        ('bank', root / 'bank'),
        ('backbone', root / 'moco' / 'backbone.pth'),
    ]
    assert not any(stage.fresh() for stage in stages)
    prepare(load(detector))
    assert state(detector) == FRESH
    heads = [line.split(':')[0] for line in log if line.startswith('stage')]
    assert heads == [
        'stage 1 of 3, generator',
        'stage 2 of 3, bank',
        'stage 3 of 3, backbone',
    ]
    assert load_generator(root / 'ddpm' / 'generator').window == 16
    manifest = DefectBank(root / 'bank').manifest
    assert manifest['kept'] == manifest['asked'] == 4
    assert manifest['mix'] == dict(add=1.0)
    assert manifest['sampler']['steps'] == 1
    assert {p.name for p in root.iterdir()} == {'ddpm', 'bank', 'moco'}


def test_what_is_up_to_date_is_reused(prepared, log):
    before = files_of(prepared.parent)
    prepare(load(prepared))
    assert files_of(prepared.parent) == before
    assert [line.split(': ')[1].split()[1:] for line in log] == [
        ['is', 'up', 'to', 'date,', 'reused']
    ] * 3
    refuse_unprepared(load(prepared))


def test_nothing_depends_on_where_the_detector_works(prepared):
    cfg = load(prepared, work_dir='/somewhere/else')
    assert all(stage.fresh() for stage in stages_of(cfg))


def change_generator(root):
    edit(root / 'ddpm.py', 'lr=1e-3', 'lr=2e-3')


def change_backbone(root):
    edit(root / 'moco.py', 'seed=0', 'seed=1')


def change_bank(root):
    edit(root / 'detector.py', 'num=4', 'num=5')


def change_bank_seed(root):
    edit(root / 'detector.py', 'steps=1', 'steps=1, seed=4')


def change_annotations(root):
    path = root / 'data' / 'train.json'
    path.write_text(path.read_text() + '\n')


def change_generator_files(root):
    path = root / 'root' / 'ddpm' / 'generator' / 'defect_ddpm.json'
    edit(path, '"window": 16', '"window": 32')


def lose_generator(root):
    shutil.rmtree(root / 'root' / 'ddpm' / 'generator')


def lose_bank(root):
    shutil.rmtree(root / 'root' / 'bank')


def lose_backbone(root):
    (root / 'root' / 'moco' / 'backbone.pth').unlink()


def lose_manifest(root):
    (root / 'root' / 'bank' / 'manifest.json').unlink()


@pytest.mark.parametrize(
    ('change', 'stale'),
    [
        (change_generator, {'generator'}),
        (change_backbone, {'backbone'}),
        (change_bank, {'bank'}),
        (change_bank_seed, {'bank'}),
        (change_annotations, {'generator', 'bank', 'backbone'}),
        (change_generator_files, {'bank'}),
        (lose_generator, {'generator', 'bank'}),
        (lose_bank, {'bank'}),
        (lose_manifest, {'bank'}),
        (lose_backbone, {'backbone'}),
    ],
)
def test_what_is_stale_is_known(prepared, change, stale):
    assert state(prepared) == FRESH
    change(prepared.parent)
    found = {name for name, fresh in state(prepared).items() if not fresh}
    assert found == stale


def test_a_stale_generator_makes_its_bank_stale_too(prepared, log):
    """Once it has been made again; its older files are all kept."""
    root = prepared.parent / 'root'
    before = {name: files_of(root / name) for name in ('ddpm', 'bank', 'moco')}
    change_generator(prepared.parent)
    prepare(load(prepared))
    assert state(prepared) == FRESH
    assert files_of(root / 'ddpm.old-1') == before['ddpm']
    assert files_of(root / 'bank.old-1') == before['bank']
    assert files_of(root / 'moco') == before['moco']
    assert not (root / 'moco.old-1').exists()
    kept = [line for line in log if 'kept as' in line]
    assert [line.split('/')[-1] for line in kept] == [
        'ddpm.old-1',
        'bank.old-1',
    ]
    generator = load_generator(root / 'ddpm' / 'generator')
    assert DefectBank(root / 'bank').manifest['generator'] == (
        generator.fingerprint
    )


@pytest.mark.parametrize('lose', [lose_generator, lose_backbone])
def test_a_lost_export_is_exported_again(prepared, lose):
    """What was trained is still there: nothing is trained or lost."""
    root = prepared.parent / 'root'
    generator = load_generator(root / 'ddpm' / 'generator').fingerprint
    weights = (root / 'moco' / 'backbone.pth').read_bytes()
    lose(prepared.parent)
    prepare(load(prepared))
    assert state(prepared) == FRESH
    again = load_generator(root / 'ddpm' / 'generator').fingerprint
    assert again == generator
    assert (root / 'moco' / 'backbone.pth').read_bytes() == weights
    assert not list(root.glob('*.old-*'))


def test_a_half_finished_stage_is_gone_on_with(detector, tmp_path, log):
    for name in ('ddpm.py', 'moco.py'):
        edit(
            tmp_path / name,
            'custom_hooks = [',
            "custom_hooks = [dict(type='StopHook'), ",
        )
    expected = tmp_path / 'expected'
    prepare(load(detector))
    shutil.move(tmp_path / 'root', expected)

    StopHook.armed = True
    with pytest.raises(Killed):
        prepare(load(detector))
    StopHook.armed = False
    assert state(detector) == dict.fromkeys(FRESH, False)
    log.clear()
    prepare(load(detector))
    assert state(detector) == FRESH
    assert any('going on with the unfinished run' in line for line in log)
    root = tmp_path / 'root'
    assert not list(root.glob('*.old-*'))
    # The generator was trained in two goes, one iteration each.
    (first, second) = sorted((root / 'ddpm').glob('20*'))
    assert 'Iter(train) [1/2]' not in (
        second / f'{second.name}.log'
    ).read_text()
    assert first.is_dir()
    assert (root / 'ddpm' / 'last_checkpoint').read_text().endswith('_2.pth')


def test_a_half_finished_bank_is_gone_on_with(
    prepared, monkeypatch, log, tmp_path
):
    root = prepared.parent / 'root'
    expected = files_of(root / 'bank')
    lose_bank(prepared.parent)
    edit(prepared, 'num=4', 'num=6')

    def killed(self, num):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(synthesize.BankWriter, 'close', killed)
        with pytest.raises(Killed):
            prepare(load(prepared))
    assert (root / 'bank' / 'records' / '000001.json').exists()
    edit(prepared, 'num=6', 'num=4')

    def not_again(self, *args):
        raise AssertionError('sampled a block that is there')

    monkeypatch.setattr(synthesize.BankWriter, 'write_block', not_again)
    prepare(load(prepared))
    found = files_of(root / 'bank')
    assert found.keys() == expected.keys()
    assert found['manifest.json'] == expected['manifest.json']
    assert not (root / 'bank.old-1').exists()


def test_a_bank_begun_with_other_settings_is_set_aside(prepared, log):
    root = prepared.parent / 'root'
    lose_bank(prepared.parent)
    (root / 'bank').mkdir()
    (root / 'bank' / 'settings.json').write_text('{"seed": 99}')
    prepare(load(prepared))
    assert state(prepared) == FRESH
    assert files_of(root / 'bank.old-1') == {'settings.json': b'{"seed": 99}'}


def test_a_stage_that_exports_nothing_is_told(detector, tmp_path):
    edit(tmp_path / 'ddpm.py', 'mmdet_ddpm_moco.ExportGeneratorHook', 'EmptyCacheHook')
    with pytest.raises(ValueError, match='does its config export') as error:
        prepare(load(detector))
    assert 'generator' in str(error.value)


def reads(detector, **settings):
    """The detector's config, its hook reading only these."""
    cfg = load(detector)
    root = cfg.root
    known = dict(bank=f'{root}/bank', checkpoint=f'{root}/moco/backbone.pth')
    given = {k: known[k] if v is True else v for k, v in settings.items()}
    cfg.custom_hooks = [dict(type=HOOK, **given)] if given else []
    return cfg


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


def test_the_halves_spelt_out_are_read_too(detector):
    cfg = reads(detector)
    root = cfg.root
    cfg.custom_hooks = [
        dict(type='ContrastiveInitHook', checkpoint=f'{root}/moco/backbone.pth')
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


@pytest.mark.parametrize('form', ['{}/bank/', './{}/bank', '{}/x/../bank'])
def test_a_path_may_be_written_in_other_ways(
    detector, tmp_path, monkeypatch, form
):
    monkeypatch.chdir(tmp_path)
    cfg = reads(detector)
    cfg.stages.root = 'root'
    cfg.custom_hooks = [dict(type=HOOK, bank=form.format('root'))]
    names = [stage.name for stage in stages_of(cfg)]
    assert names == ['generator', 'bank']


def test_other_configs_have_no_stages(detector, tmp_path):
    assert stages_of(load(tmp_path / 'ddpm.py')) == []
    assert stages_of(load(tmp_path / 'moco.py')) == []
    assert stages_of(Config(dict(model=dict()))) == []


def foreign(error):
    message = str(error.value)
    assert '\n' not in message
    assert 'detector.py' in message
    return message


@pytest.mark.parametrize('prepare_it', [prepare, refuse_unprepared])
def test_a_foreign_bank_that_is_missing(detector, tmp_path, prepare_it):
    cfg = reads(detector, bank=str(tmp_path / 'theirs'))
    with pytest.raises(FileNotFoundError) as error:
        prepare_it(cfg)
    message = foreign(error)
    assert str(tmp_path / 'theirs') in message
    assert 'tools/synthesize.py' in message
    assert not (tmp_path / 'root').exists()


def test_a_foreign_checkpoint_that_is_missing(detector, tmp_path):
    cfg = reads(detector, checkpoint='theirs.pth')
    with pytest.raises(FileNotFoundError) as error:
        prepare(cfg)
    assert 'theirs.pth' in foreign(error)
    assert 'configs/moco' in str(error.value)


def test_foreign_ones_that_are_there_are_used_as_they_are(detector, tmp_path):
    (tmp_path / 'theirs').mkdir()
    (tmp_path / 'theirs.pth').write_bytes(b'')
    cfg = reads(
        detector,
        bank=str(tmp_path / 'theirs'),
        checkpoint=str(tmp_path / 'theirs.pth'),
    )
    assert stages_of(cfg) == []
    prepare(cfg)
    refuse_unprepared(cfg)


def test_the_own_bank_without_a_recipe_is_foreign(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['bank']
    with pytest.raises(FileNotFoundError, match='tools/synthesize'):
        stages_of(cfg)


def test_a_recipe_without_a_generator_is_told(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['generator']
    with pytest.raises(ValueError, match='generator'):
        stages_of(cfg)


def test_a_recipe_without_a_number_is_told(detector):
    cfg = reads(detector, bank=True)
    del cfg.stages['bank']['num']
    with pytest.raises(ValueError, match='num'):
        stages_of(cfg)


def test_a_setting_that_banks_lack_is_told(detector):
    cfg = reads(detector, bank=True)
    cfg.stages.bank.stepz = 3
    with pytest.raises(ValueError, match='stepz'):
        prepare(cfg)


def test_the_config_of_a_stage_that_is_missing(detector):
    cfg = reads(detector, checkpoint=True)
    cfg.stages.backbone.config = 'nowhere.py'
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py'):
        stages_of(cfg)


def test_stage_configs_lie_beside_the_detectors(
    detector, tmp_path, monkeypatch
):
    (tmp_path / 'away').mkdir()
    monkeypatch.chdir(tmp_path / 'away')
    assert len(stages_of(load(detector))) == 3


def test_options_of_a_stage_change_its_config(prepared):
    cfg = load(prepared)
    cfg.stages.generator.options = {'train_cfg.max_iters': 3}
    fresh = {stage.name: stage.fresh() for stage in stages_of(cfg)}
    assert fresh == dict(generator=False, bank=True, backbone=True)


def refusal(cfg):
    with pytest.raises(ValueError, match='--no-prepare') as error:
        refuse_unprepared(cfg)
    head, *commands = str(error.value).splitlines()
    return head, [shlex.split(command.strip()) for command in commands]


def test_no_prepare_lists_the_commands(detector, tmp_path):
    head, commands = refusal(load(detector))
    root = tmp_path / 'root'
    assert str(root / 'ddpm' / 'generator') in head
    assert commands == [
        ['python', 'tools/train.py', str(tmp_path / 'ddpm.py')]
        + ['--work-dir', str(root / 'ddpm')],
        ['python', 'tools/synthesize.py', str(tmp_path / 'ddpm.py')]
        + ['--generator', str(root / 'ddpm' / 'generator')]
        + ['--out', str(root / 'bank'), '--num', '4', '--steps', '1']
        + ['--max-window', '32', '--mix', 'add=1.0'],
        ['python', 'tools/train.py', str(tmp_path / 'moco.py')]
        + ['--work-dir', str(root / 'moco')],
    ]
    assert not root.exists()


@pytest.mark.parametrize(
    ('change', 'tools'),
    [
        (change_generator, ['train', 'synthesize', 'train']),
        (change_bank, ['synthesize', 'train']),
        (change_backbone, ['train']),
    ],
)
def test_no_prepare_begins_with_what_is_stale(prepared, change, tools):
    change(prepared.parent)
    before = files_of(prepared.parent)
    _, commands = refusal(load(prepared))
    assert [Path(command[1]).stem for command in commands] == tools
    assert files_of(prepared.parent) == before


def test_the_commands_do_what_the_stages_do(detector, tmp_path):
    """tools/train.py with the very arguments makes a stage fresh."""
    _, commands = refusal(load(detector))
    for _, tool, config, flag, work_dir, *_ in commands:
        if tool.endswith('train.py'):
            assert flag == '--work-dir'
            train(load(Path(config), work_dir))
    fresh = state(detector)
    assert fresh == dict(generator=True, bank=False, backbone=True)


def test_the_commands_know_the_options_of_a_stage(detector):
    cfg = load(detector)
    cfg.stages.backbone.options = {'train_cfg.max_epochs': 1}
    _, commands = refusal(cfg)
    config, work_dir = Path(commands[-1][2]), commands[-1][4]
    given = commands[-1][5:]
    assert given[:1] == ['--cfg-options']
    options = dict(text.split('=', 1) for text in given[1:])
    train(
        load(config, work_dir, **{k: int(v) for k, v in options.items()})
    )
    assert {s.name: s.fresh() for s in stages_of(cfg)}['backbone']


def test_load_from_in_a_stage_is_not_what_it_resumes(detector, tmp_path):
    """A half-finished run goes on from its own checkpoint."""
    prepare(reads(detector, checkpoint=True))
    other = tmp_path / 'other.pth'
    shutil.copy(tmp_path / 'root' / 'moco' / 'epoch_1.pth', other)
    shutil.rmtree(tmp_path / 'root')
    edit(
        tmp_path / 'moco.py',
        'custom_hooks = [',
        f'load_from = {str(other)!r}\n'
        "custom_hooks = [dict(type='StopAtEndHook'), ",
    )
    with pytest.raises(Killed):
        prepare(reads(detector, checkpoint=True))
    StopAtEndHook.seen = []
    StopAtEndHook.armed = False
    try:
        prepare(reads(detector, checkpoint=True))
    finally:
        StopAtEndHook.armed = True
    # Killed in the second epoch of two iterations each.
    assert StopAtEndHook.seen[0] == 2
    assert StopAtEndHook.loaded == str(
        tmp_path / 'root' / 'moco' / 'epoch_1.pth'
    )


@HOOKS.register_module()
class StopAtEndHook(Hook):
    """Kills a run in its last iteration; keeps what it was resumed from."""

    priority = 'LOWEST'
    armed = True
    seen = []
    loaded = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        StopAtEndHook.seen.append(runner.iter)
        StopAtEndHook.loaded = runner._load_from or (
            Path(runner.work_dir) / 'last_checkpoint'
        ).read_text()
        if StopAtEndHook.armed and runner.iter == runner.max_iters - 1:
            raise Killed


def test_a_bank_that_the_backbone_reads_is_made_first(detector, tmp_path):
    """Bank images may join the contrastive ones, and nothing else read it."""
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


def test_the_manifest_is_what_tells_a_bank(prepared):
    path = prepared.parent / 'root' / 'bank' / 'manifest.json'
    manifest = json.loads(path.read_text())
    assert state(prepared)['bank']
    for key, value in (('asked', 3), ('seed', 7), ('generator', 'x')):
        path.write_text(json.dumps({**manifest, key: value}))
        assert not state(prepared)['bank'], key
