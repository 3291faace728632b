"""Masks of MVTec AD and of Severstal, and with folders of splits."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from helpers.mask_maker import mask_of, tile_dataset, write_mask
from helpers.voc_maker import by_name, kinds, load, write_image
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats.severstal import decoded

SPLITS = ('train', 'val', 'test')
CRACK = (3, 5, 20, 10)
WHOLE = dict(ratio=(1, 0, 0), group_near_duplicates=False)


@pytest.fixture
def bottle(tmp_path):
    """An object of MVTec AD; names begin anew in each folder."""
    src = tmp_path / 'mvtec/bottle'
    seed = 0
    for folder, count in (
        ('train/good', 4), ('test/good', 2), ('test/broken', 3),
        ('test/glue strip', 3),
    ):  # fmt: skip
        for number in range(count):
            seed += 1
            write_image(src / folder / f'{number:03}.png', seed)
            if 'good' not in folder:
                kind = folder.split('/')[1]
                write_mask(
                    src / f'ground_truth/{kind}/{number:03}_mask.png', CRACK
                )
    (src / 'license.txt').write_text('x')
    return src


def test_mvtec(bottle, dst):
    report = convert_dataset(bottle, dst, 'masks')
    assert set(kinds(report)) == {'renamed_image', 'given_split_unusable'}
    assert report.options['classes'] == ['broken', 'glue strip']
    found = by_name(dst, *SPLITS)
    assert len(found) == 12
    assert found['broken__002.png']['boxes'] == [('broken', list(CRACK))]
    free = [name for name, entry in found.items() if not entry['boxes']]
    assert len(free) == 6
    assert all('good' in name or name == '003.png' for name in free)
    # There are defects to train on.
    assert report.counts['train']['boxes'] > 0


def test_mvtec_keeps_the_quirks_of_masks(bottle, dst):
    (bottle / 'ground_truth/broken/000_mask.png').unlink()
    write_mask(bottle / 'ground_truth/broken/001_mask.png')
    write_mask(bottle / 'ground_truth/broken/009_mask.png', CRACK)
    report = convert_dataset(bottle, dst, 'masks', **WHOLE)
    found = kinds(report)
    del found['renamed_image']
    assert found == dict(
        image_without_mask=['test/broken/000.png'],
        empty_mask=['ground_truth/broken/001_mask.png'],
        mask_without_image=['ground_truth/broken/009_mask.png'],
    )


def test_objects_of_mvtec_are_converted_one_at_a_time(bottle, dst):
    with pytest.raises(FileNotFoundError, match='1 objects; convert each'):
        convert_dataset(bottle.parent, dst, 'masks')


def test_mvtec_without_masks_is_one_line(tmp_path, dst):
    write_image(tmp_path / 'src/train/good/0.png')
    (tmp_path / 'src/ground_truth').mkdir()
    with pytest.raises(FileNotFoundError, match='as MVTec AD has them'):
        convert_dataset(tmp_path / 'src', dst, 'masks')


def test_folders_of_splits_hold_folders_of_classes(tmp_path, dst):
    src = tile_dataset(tmp_path / 'train', count=3).parent
    other = tile_dataset(tmp_path / 'made', count=5)
    (src / 'valid').mkdir()
    for kind in ('MT_Crack', 'MT_Free'):
        for path in sorted((other / kind / 'Imgs').iterdir()):
            target = src / 'valid' / kind / f'v{path.name}'
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
    shutil.rmtree(other)
    (src / 'docs').mkdir()
    (src / 'docs/paper.pdf').write_text('x')
    report = convert_dataset(src, dst, 'masks', group_near_duplicates=False)
    assert kinds(report) == dict(stray_file=['docs/paper.pdf'])
    assert report.options['classes'] == ['Crack', 'Fray']
    sizes = [report.counts[split]['images'] for split in SPLITS]
    assert sizes == [9, 10, 0]
    assert all(name.startswith('v') for name in by_name(dst, 'val'))


def run_lengths(mask):
    """As Severstal writes them: column by column, from 1."""
    changes = np.flatnonzero(np.diff(mask.T.ravel() > 0, prepend=0, append=0))
    pairs = changes.reshape(-1, 2)
    return ' '.join(f'{start + 1} {end - start}' for start, end in pairs)


@given(st.integers(1, 12), st.integers(1, 12), st.randoms())
def test_run_lengths_go_down_the_columns(height, width, random):
    pixels = [random.random() < 0.5 for _ in range(height * width)]
    mask = np.array(pixels).reshape(height, width)
    found = decoded(run_lengths(mask.astype(int)), height, width)
    assert np.array_equal(found, mask)


@pytest.fixture
def sheets(tmp_path):
    src = tmp_path / 'severstal'
    two = mask_of(CRACK, (30, 20, 5, 9), size=(60, 40))
    one = mask_of((0, 0, 10, 10), size=(60, 40))
    for seed, name in enumerate('abcd', start=1):
        write_image(src / f'train_images/{name}.jpg', seed, size=(60, 40))
    write_image(src / 'test_images/t.jpg', 9, size=(60, 40))
    (src / 'train.csv').write_text(
        'ImageId,ClassId,EncodedPixels\n'
        f'a.jpg,3,{run_lengths(two)}\n'
        f'a.jpg,1,{run_lengths(one)}\n'
        f'b.jpg,1,{run_lengths(one)}\n'
    )
    return src, two


def test_severstal(sheets, dst):
    src, two = sheets
    report = convert_dataset(
        src, dst, 'masks', **WHOLE, rename={'3': 'scratch', '1': 'pit'}
    )
    assert report.findings == {}
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        'a.jpg': [
            ('scratch', list(CRACK)),
            ('scratch', [30, 20, 5, 9]),
            ('pit', [0, 0, 10, 10]),
        ],
        'b.jpg': [('pit', [0, 0, 10, 10])],
        'c.jpg': [],
        'd.jpg': [],
    }
    coco = COCO(dst / 'annotations/train.json')
    drawn = sum(coco.annToMask(coco.anns[number]) for number in (1, 2))
    assert np.array_equal(drawn * 255, two)
    assert load(dst, 'unlabeled')['images'] == []


def test_the_first_list_of_severstal(sheets, dst):
    src, _ = sheets
    (src / 'train.csv').write_text(
        'ImageId_ClassId,EncodedPixels\r\na.jpg_1,1 40 41 40\r\n'
        'a.jpg_2,\r\nb.jpg_1,\r\n'
    )
    convert_dataset(src, dst, 'masks', **WHOLE)
    found = by_name(dst, 'train')
    assert found['a.jpg']['boxes'] == [('1', [0, 0, 2, 40])]
    assert found['b.jpg']['boxes'] == []


def test_quirks_of_severstal_are_reported(sheets, dst):
    src, _ = sheets
    with (src / 'train.csv').open('a') as file:
        file.write('c.jpg,1,2400 2\nd.jpg,1,5 x\ngone.jpg,1,1 40\n')
        file.write('e.jpg,1,1 40\n')
    write_image(src / 'train_images/e.jpg', 20, size=(80, 40))
    (src / 'train_images/notes.txt').write_text('x')
    report = convert_dataset(src, dst, 'masks', **WHOLE)
    assert kinds(report) == dict(
        broken_mask=['c.jpg in train.csv', 'd.jpg in train.csv'],
        mask_without_image=['gone.jpg in train.csv'],
        mask_size_differs=['e.jpg in train.csv'],
        stray_file=['train_images/notes.txt'],
    )
    details = [detail for _, detail in report.findings['broken_mask']]
    assert details == [
        'run 2400 2 is not in 60x40 pixels', "no pairs of numbers: '5 x'"
    ]  # fmt: skip
    assert set(by_name(dst, 'unlabeled')) == {'c.jpg', 'd.jpg', 'e.jpg'}


def test_another_list_is_one_line(sheets, dst):
    src, _ = sheets
    (src / 'train.csv').write_text('image,label\na,b\n')
    with pytest.raises(ValueError, match='has the columns image, label, not'):
        convert_dataset(src, dst, 'masks')
