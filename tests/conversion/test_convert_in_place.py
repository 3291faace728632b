import pytest

from helpers.voc_maker import (
    by_name,
    flat_dataset,
    snapshot,
    write_image,
    write_xml,
)
from mmdet_ddpm_moco.conversion.convert import convert_dataset

SPLITS = ('train', 'val', 'test')


@pytest.mark.parametrize('copy', [False, True])
@pytest.mark.parametrize(
    'names', [('IMAGES', 'ANNOTATIONS'), ('images', 'annotations')]
)
def test_in_place_and_twice(tmp_path, names, copy):
    root = flat_dataset(tmp_path / 'set')
    for old, new in zip(('IMAGES', 'ANNOTATIONS'), names):
        (root / old).rename(root / new)
    before = snapshot(root)
    convert_dataset(root, root, few_shot=[2], copy=copy)
    first = snapshot(root)
    assert before.items() <= first.items()
    report = convert_dataset(root, root, few_shot=[2], copy=copy)
    assert report.findings == {}
    assert snapshot(root) == first
    assert len(by_name(root, *SPLITS)) == 20


def test_in_place_with_sub_folders_needs_no_links(tmp_path):
    for kind in ('dent', 'rust'):
        for number in (1, 2):
            seed = number + 10 * (kind == 'rust')
            write_image(tmp_path / f'images/{kind}/{number}.png', seed)
            write_xml(
                tmp_path / f'annotations/{kind}/{number}.xml',
                objects=[(kind, 3, 5, 22, 14)],
            )
    images = snapshot(tmp_path / 'images')
    report = convert_dataset(tmp_path, tmp_path, ratio=(1, 0, 0), copy=True)
    assert report.findings == {}
    assert snapshot(tmp_path / 'images') == images
    found = by_name(tmp_path, 'train')
    assert found['rust/2.png']['boxes'] == [('rust', [2, 4, 20, 10])]


def test_copies_replace_links_and_the_other_way_round(src, dst):
    convert_dataset(src, dst)
    convert_dataset(src, dst, copy=True)
    image = dst / 'images' / 'dent_1.png'
    assert not image.is_symlink()
    assert image.read_bytes() == (src / 'IMAGES/dent_1.png').read_bytes()
    convert_dataset(src, dst)
    assert image.is_symlink()


def test_a_file_of_other_contents_is_never_replaced(src, dst):
    image = dst / 'images' / 'dent_1.png'
    write_image(image, seed=99)
    before = image.read_bytes()
    with pytest.raises(FileExistsError, match=r'dent_1.png is another image'):
        convert_dataset(src, dst)
    assert image.read_bytes() == before


def test_leftovers_of_an_earlier_run_are_removed(src, dst):
    convert_dataset(src, dst, few_shot=[1, 2])
    keep = dst / 'annotations' / 'train_1_mine.json'
    keep.write_text('{}')
    (src / 'IMAGES' / 'dent_1.png').unlink()
    convert_dataset(src, dst, few_shot=[2])
    assert not (dst / 'annotations/train_1.json').exists()
    assert not (dst / 'lists/train_1.txt').exists()
    assert (dst / 'annotations/train_2.json').exists()
    assert keep.exists()
    assert not (dst / 'images/dent_1.png').is_symlink()
    assert len(list((dst / 'images').iterdir())) == 19
