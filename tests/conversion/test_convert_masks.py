import numpy as np
import pytest
from pycocotools.coco import COCO

from helpers.mask_maker import (
    exposures,
    mask_of,
    tile_dataset,
    write_mask,
    write_pair,
)
from helpers.voc_maker import (
    by_name,
    kinds,
    load,
    snapshot,
    write_image,
    write_list,
)
from mmdet_ddpm_moco.conversion import neighbors
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.report import FindingsError, format_report

SPLITS = ('train', 'val', 'test')
CRACK = (3, 5, 20, 10)
FRAYS = [('Fray', [3, 5, 20, 10]), ('Fray', [30, 20, 4, 9])]


@pytest.fixture
def tiles(tmp_path):
    return tile_dataset(tmp_path / 'src')


def test_the_layout_of_the_tiles(tiles, dst):
    report = convert_dataset(tiles, dst, 'masks', few_shot=[3])
    assert report.findings == {}
    assert report.options['classes'] == ['Crack', 'Fray']
    sizes = {split: report.counts[split]['images'] for split in SPLITS}
    assert sizes == dict(train=21, val=3, test=6)
    found = by_name(dst, *SPLITS)
    assert set(found) == {f'exp1_num_{n}.jpg' for n in range(1, 31)}
    for number in range(1, 11):
        entry = found[f'exp1_num_{number}.jpg']
        assert entry['boxes'] == [('Crack', list(CRACK))]
        assert (entry['width'], entry['height']) == (40, 40)
        assert found[f'exp1_num_{number + 10}.jpg']['boxes'] == FRAYS
        assert found[f'exp1_num_{number + 20}.jpg']['boxes'] == []
    assert report.counts['train_3']['images'] == 6
    assert load(dst, 'unlabeled')['images'] == []
    source = tiles / 'MT_Fray/Imgs/exp1_num_11.jpg'
    assert (dst / 'images/exp1_num_11.jpg').resolve() == source


def test_pycocotools_reads_the_masks(tiles, dst):
    # An L, so that box and mask differ.
    corner = [(3, 5, 20, 4), (3, 9, 5, 16)]
    path = tiles / 'MT_Crack/Imgs/exp1_num_1.png'
    write_mask(path, *corner)
    convert_dataset(tiles, dst, 'masks', ratio=(1, 0, 0))
    coco = COCO(dst / 'annotations/train.json')
    (image,) = (
        entry
        for entry in coco.imgs.values()
        if entry['file_name'] == 'exp1_num_1.jpg'
    )
    (entry,) = coco.imgToAnns[image['id']]
    assert np.array_equal(coco.annToMask(entry) * 255, mask_of(*corner))
    assert entry['area'] == 20 * 4 + 5 * 16
    assert entry['bbox'] == [3, 5, 20, 20]
    assert entry['iscrowd'] == 0


def test_every_quirk_passes_and_is_reported(tmp_path, dst):
    src = tile_dataset(tmp_path / 'src', count=3)
    crack, free = src / 'MT_Crack/Imgs', src / 'MT_Free/Imgs'
    write_pair(crack, 'specks', CRACK, (30, 20, 3, 5), (30, 30, 1, 1), seed=40)
    write_pair(crack, 'only_specks', (30, 30, 1, 1), seed=41)
    write_pair(crack, 'unmarked', seed=42)
    write_image(crack / 'alone.jpg', 43)
    write_mask(crack / 'no_image.png', CRACK)
    write_pair(crack, 'large', CRACK, seed=44)
    write_mask(crack / 'large.png', CRACK, size=(80, 40))
    write_pair(crack, 'broken', seed=45)
    (crack / 'broken.png').write_bytes(b'no image')
    write_pair(crack, 'hollow', CRACK, seed=46)
    (crack / 'hollow.jpg').write_bytes(b'')
    write_pair(free, 'marked', CRACK, seed=47)
    write_image(free / 'unmasked.jpg', 48)
    # Of a stem that is in another folder, but of another class.
    write_mask(src / 'MT_Fray/Imgs/alone.png', CRACK)
    (crack / 'notes.txt').write_text('x')
    (src / 'docs').mkdir()
    (src / 'docs/paper.pdf').write_text('x')
    report = convert_dataset(src, dst, 'masks', group_near_duplicates=False)

    def cracks(*names):
        return [f'MT_Crack/Imgs/{name}' for name in names]

    assert kinds(report) == dict(
        speck=cracks('only_specks.png', 'specks.png', 'specks.png'),
        no_usable_objects=cracks('only_specks.png'),
        empty_mask=cracks('unmarked.png'),
        image_without_mask=cracks('alone.jpg'),
        mask_without_image=[
            *cracks('hollow.png', 'no_image.png'),
            'MT_Fray/Imgs/alone.png',
        ],
        mask_size_differs=cracks('large.png'),
        broken_mask=cracks('broken.png'),
        unreadable_image=cracks('hollow.jpg'),
        marked_defect_free=['MT_Free/Imgs/marked.png'],
        stray_file=['docs/paper.pdf', *cracks('notes.txt')],
    )
    assert report.findings['mask_size_differs'][0][1] == '80x40, is 40x40'
    assert report.findings['speck'][1][1] == 'Crack 30,20,33,25: 15 pixels'
    found = by_name(dst, *SPLITS)
    assert found['specks.jpg']['boxes'] == [('Crack', list(CRACK))]
    assert found['unmasked.jpg']['boxes'] == []
    assert set(by_name(dst, 'unlabeled')) == {
        f'{name}.jpg'
        for name in (
            'only_specks', 'unmarked', 'alone', 'large', 'broken', 'marked'
        )
    }  # fmt: skip
    shown = format_report(report)
    assert '3 speck: marked area below the minimum; dropped' in shown


def test_the_least_area_is_an_option(tiles, dst):
    path = tiles / 'MT_Crack/Imgs/exp1_num_1.png'
    write_mask(path, CRACK, (30, 30, 4, 4), (30, 20, 3, 5))

    def boxes(**options):
        report = convert_dataset(tiles, dst, 'masks', **options)
        found = by_name(dst, *SPLITS)['exp1_num_1.jpg']['boxes']
        return len(found), len(report.findings.get('speck', ()))

    assert boxes() == (2, 1)
    assert boxes(min_area=17) == (1, 2)
    assert boxes(min_area=15) == (3, 0)


def test_a_folder_of_empty_masks_is_defect_free(tiles, dst):
    for number in (91, 92):
        write_pair(tiles / 'MT_Plain', f'p_{number}', seed=number)
    report = convert_dataset(tiles, dst, 'masks')
    assert report.findings == {}
    assert report.options['classes'] == ['Crack', 'Fray']
    assert by_name(dst, *SPLITS)['p_91.jpg']['boxes'] == []
    # One mark, and it is a class.
    write_mask(tiles / 'MT_Plain/p_91.png', CRACK)
    report = convert_dataset(tiles, dst, 'masks')
    assert kinds(report) == dict(empty_mask=['MT_Plain/p_92.png'])
    assert report.options['classes'] == ['Crack', 'Fray', 'Plain']


def test_images_of_png_have_their_masks_in_a_folder(tmp_path, dst):
    for number in (1, 2):
        write_image(tmp_path / f'src/dent/images/{number}.png', number)
        write_mask(tmp_path / f'src/dent/masks/{number}.png', CRACK)
        write_image(tmp_path / f'src/good/{number}.png', number + 2)
    report = convert_dataset(tmp_path / 'src', dst, 'masks', ratio=(1, 0, 0))
    assert set(kinds(report)) == {'renamed_image'}
    found = by_name(dst, 'train')
    assert {name: entry['boxes'] for name, entry in found.items()} == {
        **{f'images__{n}.png': [('dent', list(CRACK))] for n in (1, 2)},
        **{f'good__{n}.png': [] for n in (1, 2)},
    }


@pytest.mark.parametrize('copy', [False, True])
def test_the_same_input_gives_the_same_bytes(tiles, tmp_path, copy):
    options = dict(few_shot=[2, 3], seed=4, copy=copy)
    for name in ('first', 'second'):
        convert_dataset(tiles, tmp_path / name, 'masks', **options)
    first = snapshot(tmp_path / 'first')
    assert snapshot(tmp_path / 'second') == first
    convert_dataset(tiles, tmp_path / 'first', 'masks', **options)
    assert snapshot(tmp_path / 'first') == first


@pytest.mark.parametrize('inside', ['', 'coco', 'a/b'])
def test_conversions_below_the_data_set_are_no_source(tiles, inside):
    dst = tiles / inside
    first = convert_dataset(tiles, dst, 'masks')
    before = snapshot(tiles)
    assert convert_dataset(tiles, dst, 'masks').counts == first.counts
    assert snapshot(tiles) == before


def test_strict_writes_nothing(tiles, dst):
    write_mask(tiles / 'MT_Crack/Imgs/exp1_num_1.png', CRACK, (30, 30, 1, 1))
    with pytest.raises(FindingsError, match='1 findings'):
        convert_dataset(tiles, dst, 'masks', strict=True)
    assert not dst.exists()


def test_lists_are_followed(tiles, tmp_path, dst):
    write_list(tmp_path / 'lists', 'train', 'exp1_num_1', 'exp1_num_11')
    write_list(tmp_path / 'lists', 'test', 'exp1_num_21')
    convert_dataset(tiles, dst, 'masks', lists=tmp_path / 'lists')
    assert set(by_name(dst, 'train')) == {'exp1_num_1.jpg', 'exp1_num_11.jpg'}
    assert set(by_name(dst, 'test')) == {'exp1_num_21.jpg'}


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ([], 'no images'),
        (['a.jpg'], 'no images'),
        (['dent/a.jpg', 'dent/b.jpg'], 'no masks'),
        (['dent/a.txt'], 'no images'),
    ],
)
def test_another_layout_is_refused(tmp_path, dst, files, message):
    src = tmp_path / 'src'
    src.mkdir()
    for number, name in enumerate(files):
        if name.endswith('.txt'):
            (src / 'dent').mkdir()
            (src / name).write_text('x')
        else:
            write_image(src / name, number)
    with pytest.raises(FileNotFoundError, match=message) as caught:
        convert_dataset(src, dst, 'masks')
    assert 'one folder per class' in str(caught.value)
    assert '\n' not in str(caught.value)


LIGHT = (0.5, 0.7, 0.9, 1.1)


def tile_of(name: str) -> int:
    return int(name.split('num_')[1].split('.')[0]) // 100


def test_exposures_of_a_tile_stay_in_one_split(tmp_path, dst, monkeypatch):
    # In the order of names all exposures of a tile are further apart.
    monkeypatch.setattr(neighbors, 'WINDOW', 6)
    src = exposures(tmp_path / 'src', range(1, 11), LIGHT)
    options = dict(group_by=r'num_(\d+)', ratio=(0.5, 0.2, 0.3))
    report = convert_dataset(src, dst, 'masks', **options)
    homes: dict[int, str] = {}
    groups: dict[int, int] = {}
    for split in SPLITS:
        for name, entry in by_name(dst, split).items():
            tile = tile_of(name)
            assert homes.setdefault(tile, split) == split
            assert groups.setdefault(tile, entry['group']) == entry['group']
    assert len(set(groups.values())) == 10
    counts = {s: report.counts[s]['classes']['Crack'] for s in SPLITS}
    assert counts == dict(
        train=dict(images=20, boxes=20, groups=5),
        val=dict(images=8, boxes=8, groups=2),
        test=dict(images=12, boxes=12, groups=3),
    )
    assert report.options['group_by'] == r'num_(\d+)'
    assert load(dst, 'train')['info']['group_by'] == r'num_(\d+)'
    shown = [line.split() for line in format_report(report).splitlines()]
    assert ['Crack', '5', '2', '3', '0'] in shown


def test_names_alone_can_group(tmp_path, dst):
    src = exposures(tmp_path / 'src', range(1, 11), LIGHT)
    report = convert_dataset(
        src,
        dst,
        'masks',
        group_by=r'num_(\d+)\d\d',
        group_near_duplicates=False,
    )
    homes: dict[int, str] = {}
    for split in SPLITS:
        for name in by_name(dst, split):
            assert homes.setdefault(tile_of(name), split) == split
    assert report.groups['groups'] == 10
    assert report.groups['parted'] == 0
    shown = format_report(report)
    assert 'not searched for. By name: 40 images in 10 groups' in shown


def test_lists_that_separate_a_tile_are_reported(tmp_path, dst):
    src = exposures(tmp_path / 'src', [1, 2], LIGHT)
    write_list(tmp_path / 'lists', 'train', 'exp1_num_110', 'exp1_num_210')
    write_list(tmp_path / 'lists', 'test', 'exp2_num_120')
    report = convert_dataset(
        src,
        dst,
        'masks',
        lists=tmp_path / 'lists',
        group_by=r'num_(\d+)\d\d',
        group_near_duplicates=False,
    )
    assert kinds(report)['near_duplicate_across_splits'] == [
        'exp2_num_120.jpg'
    ]


def test_few_shot_images_are_of_few_tiles(tmp_path, dst):
    src = exposures(tmp_path / 'src', range(1, 11), LIGHT)
    options = dict(group_by=r'num_(\d+)', ratio=(0.7, 0.1, 0.2), seed=1)
    few = dict(few_shot=[3, 8], few_shot_groups=0.2)
    report = convert_dataset(src, dst, 'masks', **options, **few)
    assert {tile_of(name) for name in by_name(dst, 'train_8')} < {
        tile_of(name) for name in by_name(dst, 'train')
    }
    assert report.counts['train_8']['groups'] == 2
    assert report.counts['train_8']['images'] == 8
    assert set(by_name(dst, 'train_3')) < set(by_name(dst, 'train_8'))
    with pytest.raises(ValueError, match=r'few-shot 9 .* 8 .*2 of its 10'):
        convert_dataset(
            src, dst, 'masks', **options, few_shot=[9], few_shot_groups=0.2
        )
