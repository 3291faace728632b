import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from helpers.tiny_banks import (
    CLASSES,
    OPTIONS,
    UNET,
    files_of,
    noise_image,
    write_generator,
    write_images,
)
from mmdet_ddpm_moco.bank.compositing import crop
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.datasets.labeled_images import LabeledImages
from mmdet_ddpm_moco.models.ddpm import DefectDDPM
from mmdet_ddpm_moco.synthesis import painter
from mmdet_ddpm_moco.synthesis.generator import load_generator, save_generator
from mmdet_ddpm_moco.synthesis.planner import WindowPlanner
from mmdet_ddpm_moco.synthesis.run import bank_settings, synthesize_bank
from mmdet_ddpm_moco.synthesis.settings import DEFAULT_MIX, BankOptions
from mmdet_ddpm_moco.utils.errors import InputError
from mmdet_ddpm_moco.utils.provenance import (
    merge_records,
    read_record,
    record_images,
)

pytestmark = pytest.mark.usefixtures('small_blocks')


def make(generator, images, out, num=6, **options):
    return synthesize_bank(
        generator, *images, out, num=num, **{**OPTIONS, **options}
    )


def test_a_bank_of_some_classes_alone(generator, images, tmp_path, no_unet):
    weights = dict.fromkeys(CLASSES[1:], 0.0)
    manifest = make(generator, images, tmp_path / 'bank', per_class=weights)
    assert manifest['per_class'] == weights
    bank = DefectBank(tmp_path / 'bank')
    shown = {bank.classes[w.label] for w in bank if w.kind != 'null'}
    assert shown == {CLASSES[0]}


def test_a_bank_has_the_record_of_all_images_seen(
    generator, images, tmp_path, no_unet
):
    hosts = record_images(images[1].iterdir())
    assert len(hosts['images']) == 4
    make(generator, images, tmp_path / 'bank')
    assert read_record(tmp_path / 'bank') == hosts
    _, other = write_images(tmp_path / 'other', size=(64, 56))
    generator.provenance = record_images(other.iterdir())
    make(generator, images, tmp_path / 'second')
    both = merge_records(hosts, generator.provenance)
    assert read_record(tmp_path / 'second') == both
    assert len(both['images']) == 8


def test_a_bank_knows_the_images_that_took_no_window(
    generator, images, tmp_path, no_unet
):
    make(generator, images, tmp_path / 'bank', num=1)
    bank = DefectBank(tmp_path / 'bank')
    (source,) = bank.sources.values()
    other = next(
        image.file_name
        for image in LabeledImages(*images).images
        if image.file_name != source
    )
    for name, number in ((source, 1), (other, 0)):
        assert len(bank.windows_of(images[1] / name)) == number
    # A name whose end is that of the window's, known only as a host.
    ann_file, prefix = images
    data = json.loads(ann_file.read_text())
    for image in data['images']:
        if image['file_name'] == other:
            image['file_name'] = f'extra/{source}'
    (prefix / 'extra').mkdir()
    shutil.copy(prefix / other, prefix / 'extra' / source)
    ann_file.write_text(json.dumps(data))
    make(generator, images, tmp_path / 'named', num=1)
    named = DefectBank(tmp_path / 'named')
    assert set(named.sources.values()) == {source}
    assert len(named.windows_of(prefix / source)) == 1
    assert named.windows_of(prefix / 'extra' / source) == []


@pytest.mark.parametrize('channels', [1, 3])
def test_windows_match_their_hosts(tmp_path, channels):
    images = write_images(tmp_path / 'data', channels=channels)
    generator = load_generator(
        write_generator(tmp_path / 'generator', channels=channels)
    )
    manifest = make(generator, images, tmp_path / 'bank', num=12)
    assert manifest['kept'] == manifest['asked'] == 12
    bank = DefectBank(tmp_path / 'bank')
    assert len(bank) == 12
    assert bank.classes == CLASSES
    data = LabeledImages(*images, channels=3)
    sources = {}
    for number, image in enumerate(data.images):
        for window in bank.windows_of(image.path):
            sources[window.number] = number
            pixels, alpha = bank.read(window)
            source = crop(data.read(number), window.window)
            assert np.array_equal(pixels[alpha == 0], source[alpha == 0])
            assert (alpha == 0).any()
            changed = pixels[alpha == 255] != source[alpha == 255]
            assert changed.mean() > 0.5
    assert len(sources) == 12


def test_manifest_and_annotations_agree(tmp_path, generator, images):
    manifest = make(generator, images, tmp_path / 'bank', num=14)
    data = json.loads((tmp_path / 'bank' / 'annotations.json').read_text())
    assert len(data['images']) == manifest['kept'] == 14
    assert [c['name'] for c in data['categories']] == list(CLASSES)
    labels = {a['image_id']: a['category_id'] for a in data['annotations']}
    counted = {name: {} for name in (*CLASSES, 'background')}
    for image in data['images']:
        null = image['kind'] == 'null'
        assert null == (image['id'] not in labels)
        name = 'background' if null else CLASSES[labels[image['id']] - 1]
        kinds = counted[name]
        kinds[image['kind']] = kinds.get(image['kind'], 0) + 1
    assert counted == manifest['kinds']
    files = {p.name for p in (tmp_path / 'bank' / 'images').iterdir()}
    assert files == {image['file_name'] for image in data['images']}
    settings = bank_settings(generator, images[0], BankOptions(**OPTIONS))
    assert settings.items() <= manifest.items()
    assert manifest['generator'] == generator.fingerprint
    assert manifest['training_split']['ann_file'] == 'train.json'


def test_windows_are_those_planned(tmp_path, generator, images, no_unet):
    make(generator, images, tmp_path / 'bank', num=12, seed=5)
    data = LabeledImages(*images)
    planner = WindowPlanner(data, max_window=32, mix=DEFAULT_MIX, seed=5)
    bank = DefectBank(tmp_path / 'bank')
    for window in bank:
        plan = planner.plan(window.number)
        assert window.kind == plan.kind
        assert window.window == plan.window
        assert window.box == plan.box
        assert np.array_equal(bank.read(window)[1], plan.alpha)


def test_the_same_seed_makes_the_same_bank(tmp_path, images):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        generator = load_generator(write_generator(tmp_path / f'g-{name}'))
        torch.manual_seed(hash(name) % 1000)
        np.random.seed(len(name))
        make(generator, images, tmp_path / name, seed=seed)
    first = files_of(tmp_path / 'a')
    assert first == files_of(tmp_path / 'b')
    assert first != files_of(tmp_path / 'c')


def test_rejected_windows_are_counted_and_left_out(
    tmp_path, generator, images, monkeypatch
):
    """Every third window is unchanged."""
    data = LabeledImages(*images)
    planner = WindowPlanner(data, max_window=32, mix=dict(add=1), seed=0)
    flat = {planner.plan(n).alpha.tobytes() for n in range(0, 100, 3)}

    def sometimes(unet, scheduler, image, mask, label, noise, **_):
        out = noise.clamp(-1, 1)
        for i, alpha in enumerate((mask[:, 0] * 255).round().byte()):
            if alpha.numpy().tobytes() in flat:
                out[i] = image[i]
        return out

    monkeypatch.setattr(painter, 'sample_windows', sometimes)
    manifest = make(
        generator, images, tmp_path / 'bank', num=8, mix=dict(add=1.0)
    )
    bank = DefectBank(tmp_path / 'bank')
    numbers = sorted(bank[i].number for i in range(8))
    assert numbers == [1, 2, 4, 5, 7, 8, 10, 11]
    assert manifest['rejected'] == {'nothing visible': 4}
    assert manifest['kept'] == 8


def test_gates_that_reject_everything_are_an_error(
    tmp_path, generator, images, monkeypatch
):
    monkeypatch.setattr(
        painter, 'sample_windows', lambda u, s, image, *_, **__: image
    )
    with pytest.raises(ValueError, match='quality gates') as error:
        make(generator, images, tmp_path / 'bank', mix=dict(replaces=1.0))
    assert '0 of ' in str(error.value)
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'bank' / 'manifest.json').exists()


def test_classes_of_another_data_set(tmp_path, generator):
    images = write_images(
        tmp_path / 'data', [[('a', 4, 4, 6, 6)]], classes=('a', 'b', 'c')
    )
    with pytest.raises(ValueError, match='dent') as error:
        make(generator, images, tmp_path / 'bank')
    assert "'a'" in str(error.value)
    assert not (tmp_path / 'bank').exists()


def test_a_gray_generator_on_color_images(generator, tmp_path):
    """As one that an earlier version trained; patches would be gray."""
    colored = write_images(tmp_path / 'color', channels=3)
    with pytest.raises(InputError, match='is a color image') as error:
        make(generator, colored, tmp_path / 'bank')
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'bank').exists()


@pytest.mark.parametrize(
    ('changes', 'word'),
    [
        (dict(num=0), 'num'),
        (dict(num=-3), 'num'),
        (dict(num_inference_steps=0), 'num_inference_steps'),
        (dict(num_inference_steps=1000), 'num_inference_steps'),
        (dict(strength=0), 'strength'),
        (dict(strength=1.2), 'strength'),
        (dict(max_window=8), 'max_window'),
        (dict(mix=dict(add=0.3)), 'mix'),
        (dict(seed=-1), 'seed'),
        (dict(sampler='euler'), 'sampler'),
        (dict(guidance_scale=2.0), 'class_dropout'),
    ],
)
def test_an_argument_out_of_range_costs_nothing(
    tmp_path, generator, images, no_unet, changes, word
):
    """No folder is made, so that the corrected command can use it."""
    with pytest.raises(ValueError, match=word):
        make(generator, images, tmp_path / 'bank', **changes)
    assert not (tmp_path / 'bank').exists()


def test_a_judge_decides_and_is_in_the_manifest(
    tmp_path, generator, images, no_unet
):
    """It misses every second defect."""
    asked = []

    def finds(image, box, label):
        asked.append((image.shape, label))
        return len(asked) % 2 == 0

    judge = SimpleNamespace(
        finds=finds,
        settings=dict(sha256='of the weights', iou=0.5, score=0.3),
    )
    manifest = make(
        generator, images, tmp_path / 'bank', mix=dict(add=1.0), judge=judge
    )
    assert manifest['judge'] == judge.settings
    assert manifest['rejected']['not detected'] >= 5
    assert {shape for shape, _ in asked} == {(40, 48, 3)}
    plain = make(generator, images, tmp_path / 'plain', mix=dict(add=1.0))
    assert 'judge' not in plain
    assert 'not detected' not in plain['rejected']


@pytest.mark.parametrize('conditioning', ['class', 'none'])
def test_a_generator_without_masks_makes_no_bank(
    tmp_path, images, conditioning
):
    model = DefectDDPM(3, UNET, conditioning=conditioning)
    folder = save_generator(
        tmp_path / 'g',
        model.unet,
        model.scheduler,
        classes=CLASSES,
        window=32,
    )
    with pytest.raises(ValueError, match=f"'{conditioning}'.*where"):
        make(load_generator(folder), images, tmp_path / 'bank')
    assert not (tmp_path / 'bank').exists()


def test_the_source_images_are_not_changed(
    tmp_path, generator, images, no_unet
):
    before = files_of(images[1])
    make(generator, images, tmp_path / 'bank')
    assert files_of(images[1]) == before
    first = cv2.imread(str(images[1] / 'plate_0.png'), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(first, noise_image(48, 40))
