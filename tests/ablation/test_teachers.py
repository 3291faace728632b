"""Teachers of a variant: their labels, images, seed and fingerprint."""

import json
import shutil

import pytest
from mmengine.config import Config

from helpers.tiny_experiment import write_coco
from mmdet_ddpm_moco.ablation.experiment import read_experiment
from mmdet_ddpm_moco.ablation.measure import prepare_runs
from mmdet_ddpm_moco.ablation.run_configs import run_configs, write_run
from mmdet_ddpm_moco.ablation.shots import write_shots
from mmdet_ddpm_moco.engine.inputs import fill_hooks
from mmdet_ddpm_moco.engine.learning_from_scenes import learn_from_scenes
from mmdet_ddpm_moco.engine.teacher_stage import read_teacher

POOL = 'data/annotations/train.json'
PREFIX = 'data/images'
HOOK = "custom_hooks = [dict(type='DDPMMoCoHook')]\n"


def add_teacher(file, more='', unlabeled=POOL, stages=''):
    text = (
        "_base_ = './baseline.py'\n"
        f"{HOOK}stages = dict(root='run', {stages} teacher=dict("
        f'unlabeled={unlabeled!r}, {more}))\n'
    )
    (file.parent / 'other.py').write_text(text)


def configs_of(file, name='other', seed=0):
    experiment = read_experiment(file)
    (run,) = (r for r in experiment.runs([name]) if r.seed == seed)
    write_shots(experiment, 1, seed)
    return run_configs(experiment, run)


@pytest.mark.parametrize('own', [True, False])
def test_teachers_have_the_shots_and_the_seed(file, own):
    (file.parent / 'teacher.py').write_text("_base_ = './baseline.py'\n")
    options = "options={'train_cfg.max_iters': 90}"
    add_teacher(file, ("config='teacher.py', " if own else '') + options)
    prepared = prepare_runs(read_experiment(file), ['other'])
    for run, configs in prepared:
        teacher = configs.stages['teacher']
        assert teacher.train_dataloader.dataset.ann_file == (
            f'annotations/train_1_seed_{run.seed}.json'
        )
        assert teacher.randomness.seed == run.seed
        assert teacher.train_cfg.max_iters == 90
        assert configs.detector.train_cfg.max_iters == 720
        assert configs.detector.stages.teacher.seed == run.seed


def test_what_is_written_is_what_the_stage_reads(file):
    """Also the weights they start from, in the folder of the stages."""
    (file.parent / 'moco.py').write_text(
        "train_dataloader = dict(dataset=dict(type='C', sources=[]))\n"
    )
    add_teacher(
        file,
        "options={'train_cfg.max_iters': 90}",
        stages="backbone=dict(config='moco.py'),",
    )
    configs = configs_of(file)
    written = write_run(configs)
    detector = fill_hooks(Config.fromfile(written))
    assert detector.stages.teacher.config == str(
        written.with_name('teacher.py')
    )
    teacher = read_teacher(detector)
    root = configs.detector.stages.root
    assert root.startswith('work/stages/1_0_')
    assert teacher.custom_hooks == [
        dict(type='DDPMMoCoHook', checkpoint=f'{root}/moco/backbone.pth')
    ]
    assert detector.custom_hooks[0].scenes == f'{root}/scenes'
    assert teacher.train_cfg.max_iters == 90
    assert (
        teacher.train_dataloader == configs.stages['teacher'].train_dataloader
    )


def test_teachers_read_labels_of_the_shots_only(file):
    more = (
        "options={'train_dataloader.dataset.ann_file': "
        "'annotations/train.json'}"
    )
    add_teacher(file, more, unlabeled='data/annotations/more.json')
    images = {f'train_{i}.png': 0 for i in range(12)}
    write_coco(file.parent / 'data/annotations/more.json', images)
    named = r'teacher of variant other reads the labels of .*train\.json'
    with pytest.raises(ValueError, match=named):
        prepare_runs(read_experiment(file))
    add_teacher(file)
    assert len(prepare_runs(read_experiment(file))) == 4


@pytest.mark.parametrize('folder', [True, False])
def test_teachers_see_no_test_images(file, folder):
    """Under whatever name."""
    images = file.parent / 'data/images'
    more = file.parent / 'more'
    more.mkdir()
    shutil.copy(images / 'train_0.png', more / 'a.png')
    shutil.copy(images / 'train_1.png', more / 'b.png')
    write_coco(file.parent / 'more.json', {'a.png': 0, 'b.png': 1})
    if folder:
        add_teacher(file, unlabeled='more')
    else:
        add_teacher(file, "unlabeled_prefix='more'", unlabeled='more.json')
    # Some are among the shots, others are not.
    assert len(prepare_runs(read_experiment(file))) == 4
    shutil.copy(images / 'test_2.png', more / 'b.png')
    with pytest.raises(ValueError, match=r'its teachers label more/b\.png'):
        prepare_runs(read_experiment(file))


def test_the_fingerprint_follows_the_teachers(file):
    seen = set()
    for change in (
        dict(),
        dict(more="flips=['none']"),
        dict(more='folds=2'),
        dict(more="options={'train_cfg.max_iters': 90}"),
        dict(unlabeled='data/annotations/more.json'),
        dict(unlabeled='data/images'),
    ):
        write_coco(
            file.parent / 'data/annotations/more.json', {'train_5.png': 0}
        )
        add_teacher(file, **change)
        configs = configs_of(file)
        seen.add((configs.fingerprint, configs.detector.stages.root))
    # The images of a json are read from it, those of a folder are there.
    more = json.loads((file.parent / 'data/annotations/more.json').read_text())
    shutil.copy(
        file.parent / 'data/images/train_0.png',
        file.parent / 'data/images/train_99.png',
    )
    configs = configs_of(file)
    seen.add((configs.fingerprint, configs.detector.stages.root))
    more['images'].pop()
    (file.parent / 'data/annotations/more.json').write_text(json.dumps(more))
    add_teacher(file, unlabeled='data/annotations/more.json')
    configs = configs_of(file)
    seen.add((configs.fingerprint, configs.detector.stages.root))
    fingerprints, roots = zip(*seen)
    assert len(set(fingerprints)) == len(set(roots)) == 8


def test_fingerprints_without_teachers_are_those_of_old_records(file):
    (file.parent / 'moco.py').write_text(
        "train_dataloader = dict(dataset=dict(type='C', sources=[]))\n"
    )
    (file.parent / 'other.py').write_text(
        "_base_ = './baseline.py'\n"
        f"{HOOK}stages = dict(root='run', backbone=dict(config='moco.py'))\n"
    )
    assert configs_of(file, 'baseline').fingerprint == '821a6d0c56bcdca3'
    configs = configs_of(file)
    assert configs.fingerprint == '170262ef404e6a77'
    assert configs.detector.stages.root == 'work/stages/1_0_7f3703b5cab350d0'


def test_a_generator_learns_from_the_scenes_of_its_run(file):
    (file.parent / 'ddpm.py').write_text(
        "train_dataloader = dict(dataset=dict(type='W', "
        "ann_file='data/annotations/train_20.json', img_prefix='x'))\n"
    )
    add_teacher(file, stages="generator=dict(config='ddpm.py', scenes=True),")
    (_, configs), *_ = prepare_runs(read_experiment(file), ['other'])
    root = configs.detector.stages.root
    dataset = configs.stages['generator'].train_dataloader.dataset
    assert dataset.ann_file == f'{root}/scenes/defects.json'
    assert dataset.img_prefix == PREFIX
    # What is written is what tools/train.py makes of it.
    write_run(configs)
    detector = fill_hooks(
        Config.fromfile(f'{configs.detector.work_dir}/detector.py')
    )
    generator = Config.fromfile(detector.stages.generator.config)
    learn_from_scenes('generator', generator, detector, read_teacher(detector))
    assert generator.train_dataloader.dataset == dataset
