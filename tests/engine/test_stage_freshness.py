import json
import shutil
from pathlib import Path

import pytest

from helpers import tiny_runs  # noqa: F401  (registers what the configs name)
from helpers.tiny_detection import write_images
from helpers.tiny_stages import (
    FRESH,
    change_an_image,
    change_annotations,
    change_backbone,
    change_bank,
    change_bank_seed,
    change_generator,
    change_generator_files,
    edit,
    files_of,
    load,
    lose_backbone,
    lose_bank,
    lose_generator,
    lose_manifest,
    make_stages_quick,
    refusal,
    state,
    write_configs,
)
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.engine.detector_runs import train_to_end
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.stage_plan import stages_of
from mmdet_ddpm_moco.engine.stages import check_prepared, prepare
from mmdet_ddpm_moco.engine.training import STAGE_FILE, training_fingerprint
from mmdet_ddpm_moco.synthesis import run
from mmdet_ddpm_moco.synthesis.generator import load_generator
from mmdet_ddpm_moco.utils.fileio import write_json


class Killed(BaseException):
    pass


pytestmark = pytest.mark.usefixtures('log')


@pytest.fixture(scope='module')
def prepared_once(tmp_path_factory):
    """All stages, made once; tests work on copies."""
    root = tmp_path_factory.mktemp('prepared')
    data = write_images(root / 'data')
    detector = write_configs(root, data, root / 'root')
    with pytest.MonkeyPatch.context() as patch:
        make_stages_quick(patch)
        prepare(load(detector))
    return root


@pytest.fixture
def prepared(tmp_path, prepared_once):
    """A detector whose stages are all up to date.

    The configs hold absolute paths of the folder, so the copy
    takes the place of the original.
    """
    kept = tmp_path / 'kept'
    shutil.copytree(prepared_once, kept)
    yield prepared_once / 'detector.py'
    shutil.rmtree(prepared_once)
    shutil.copytree(kept, prepared_once)


def test_what_is_up_to_date_is_reused(prepared, log):
    before = files_of(prepared.parent)
    prepare(load(prepared))
    assert files_of(prepared.parent) == before
    *stages, last = log
    assert [line.split(': ')[1].split()[1:] for line in stages] == [
        ['is', 'up', 'to', 'date,', 'reused']
    ] * 3
    assert last == 'all stages are ready, the detector follows'
    check_prepared(load(prepared))


def test_nothing_depends_on_where_the_detector_works(prepared):
    cfg = load(prepared, work_dir='/somewhere/else')
    assert all(stage.fresh() for stage in stages_of(cfg))


def test_a_finished_detector_whose_stages_changed_is_trained_again(prepared):
    work_dir = prepared.parent / 'trained'
    cfg = load(prepared, work_dir=str(work_dir))
    file = prepared.parent / 'finished.py'
    cfg.dump(file)
    trained = []

    def train(command, log, on_line=None):
        trained.append(command)
        fingerprint = training_fingerprint(fill_hooks(load(file)))
        write_json(
            work_dir / STAGE_FILE, dict(fingerprint=fingerprint, finished=True)
        )
        (work_dir / 'iter_1.pth').touch()
        (work_dir / 'last_checkpoint').write_text('iter_1.pth')

    def once_more():
        # As tools/demo.py does.
        cfg = fill_hooks(load(file))
        fresh = all(stage.fresh() for stage in stages_of(cfg))
        train_to_end(file, train, reuse=fresh)

    work_dir.mkdir()
    for _ in range(2):
        once_more()
        assert len(trained) == 1
    change_generator(prepared.parent)
    once_more()
    assert len(trained) == 2
    assert '--resume' not in trained[1]


@pytest.mark.parametrize(
    ('change', 'stale'),
    [
        (change_generator, {'generator'}),
        (change_backbone, {'backbone'}),
        (change_bank, {'bank'}),
        (change_bank_seed, {'bank'}),
        (change_annotations, {'generator', 'bank', 'backbone'}),
        (change_an_image, {'generator', 'backbone'}),
        (change_generator_files, {'bank'}),
        (lose_generator, {'generator', 'bank'}),
        (lose_bank, {'bank'}),
        (lose_manifest, {'bank'}),
        (lose_backbone, {'backbone'}),
    ],
)
def test_what_is_stale_is_detected(prepared, change, stale):
    assert state(prepared) == FRESH
    change(prepared.parent)
    found = {name for name, fresh in state(prepared).items() if not fresh}
    assert found == stale


def test_weights_outlive_their_images(prepared):
    """A machine that trains the detector alone may lack the others."""
    (prepared.parent / 'data/images/2.png').unlink()
    assert state(prepared) == FRESH


def test_what_learned_from_other_images_is_set_aside(prepared):
    root = prepared.parent / 'root'
    weights = (root / 'moco' / 'backbone.pth').read_bytes()
    change_an_image(prepared.parent)
    prepare(load(prepared))
    assert state(prepared) == FRESH
    assert (root / 'moco.old-1' / 'backbone.pth').read_bytes() == weights


def test_a_bank_that_followed_misses_is_stale_without(prepared):
    file = prepared.parent / 'root/bank/manifest.json'
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(dict(manifest, missed=0.5)))
    assert not state(prepared)['bank']


def test_a_stale_generator_makes_its_bank_stale_too(prepared, log):
    """After it has been made again; its older files are all kept."""
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
    """The checkpoint still exists: nothing is trained again or lost."""
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


def test_a_half_finished_bank_is_resumed(prepared, monkeypatch, log, tmp_path):
    root = prepared.parent / 'root'
    expected = files_of(root / 'bank')
    lose_bank(prepared.parent)
    edit(prepared, 'num=4', 'num=6')

    def killed(self, *_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run.BankWriter, 'close', killed)
        with pytest.raises(Killed):
            prepare(load(prepared))
    assert (root / 'bank' / 'records' / '000001.json').exists()
    edit(prepared, 'num=6', 'num=4')

    def not_again(self, *args):
        raise AssertionError('sampled a block that is there')

    monkeypatch.setattr(run.BankWriter, 'write_block', not_again)
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


def test_options_of_a_stage_change_its_config(prepared):
    cfg = load(prepared)
    cfg.stages.generator.options = {'train_cfg.max_iters': 3}
    fresh = {stage.name: stage.fresh() for stage in stages_of(cfg)}
    assert fresh == dict(generator=False, bank=True, backbone=True)


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


def test_the_manifest_identifies_a_bank(prepared):
    path = prepared.parent / 'root' / 'bank' / 'manifest.json'
    manifest = json.loads(path.read_text())
    assert state(prepared)['bank']
    for key, value in (('asked', 3), ('seed', 7), ('generator', 'x')):
        path.write_text(json.dumps({**manifest, key: value}))
        assert not state(prepared)['bank'], key
