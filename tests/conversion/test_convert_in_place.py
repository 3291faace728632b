import pytest

from helpers.coco_maker import write_json
from helpers.voc_maker import (
    by_name,
    flat_dataset,
    snapshot,
    write_image,
    write_xml,
)
from mmdet_ddpm_moco.conversion import coco_writer
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


MINE = dict(
    images=[dict(id=1, file_name='a.png')], annotations=[], categories=[]
)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize(
    'name',
    [
        'annotations/train.json',
        'annotations/train_2.json',
        'annotations/unlabeled.json',
        'lists/test.txt',
        'report.json',
    ],
)
def test_files_of_the_user_are_never_replaced(src, dst, name, in_place):
    if in_place:
        dst = src
        (src / 'ANNOTATIONS').rename(src / 'annotations')
    write_json(dst / name, MINE)
    before = snapshot(dst)
    with pytest.raises(FileExistsError, match=f'{name} is not of an earlier'):
        convert_dataset(src, dst, few_shot=[2])
    assert snapshot(dst) == before


def test_other_subsets_of_the_user_are_never_removed(src, dst):
    convert_dataset(src, dst, few_shot=[2])
    write_json(dst / 'annotations/train_20.json', MINE)
    (dst / 'lists/train_20.txt').write_text('a.png\n')
    mine = snapshot(dst / 'annotations')['train_20.json']
    convert_dataset(src, dst)
    assert snapshot(dst / 'annotations')['train_20.json'] == mine
    assert (dst / 'lists/train_20.txt').read_text() == 'a.png\n'
    assert not (dst / 'annotations/train_2.json').exists()
    with pytest.raises(FileExistsError, match=r'train_20.json.*move it away'):
        convert_dataset(src, dst, few_shot=[20, 2])


@pytest.mark.parametrize('writes', (1, 2, 3, 10))
def test_a_conversion_that_was_killed_can_be_repeated(
    src, dst, tmp_path, monkeypatch, writes
):
    convert_dataset(src, tmp_path / 'whole', few_shot=[2])
    left = iter(range(writes))

    def killed(write):
        def stop_or_write(*args, **kwargs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(*args, **kwargs)

        return stop_or_write

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for name in ('atomic_write_bytes', 'write_json'):
            patch.setattr(
                coco_writer, name, killed(getattr(coco_writer, name))
            )
        convert_dataset(src, dst, few_shot=[2])
    convert_dataset(src, dst, few_shot=[2])
    assert snapshot(dst) == snapshot(tmp_path / 'whole')


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
