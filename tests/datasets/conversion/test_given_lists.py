import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from voc_maker import (
    by_name,
    flat_dataset,
    kinds,
    load,
    snapshot,
    write_image,
    write_list,
    write_xml,
)

from mmdet_ddpm_moco.datasets.conversion.convert import convert_voc
from mmdet_ddpm_moco.datasets.conversion.report import (
    FindingsError,
    format_report,
)

ROOT = Path(__file__).parents[3]
TOOL = ROOT / 'tools' / 'prepare_dataset.py'
SPLITS = ('train', 'val', 'test')
NUMBERS = dict(train=(1, 2, 3, 4, 5, 6), val=(7, 8), test=(9, 10))


def names(split: str) -> list[str]:
    return [f'{c}_{n}.png' for c in ('dent', 'rust') for n in NUMBERS[split]]


def add_line(folder: Path, split: str, line: str) -> None:
    path = folder / f'{split}.txt'
    path.write_text(f'{path.read_text()}{line}\n')


@pytest.fixture
def src(tmp_path):
    """Ten images of dent and of rust."""
    return flat_dataset(tmp_path / 'src')


@pytest.fixture
def dst(tmp_path):
    return tmp_path / 'dst'


@pytest.fixture
def lists(tmp_path):
    """Lists that name each image of ``src`` once."""
    for split in SPLITS:
        write_list(tmp_path / 'lists', split, *names(split))
    return tmp_path / 'lists'


def test_splits_are_those_of_the_lists(src, dst, lists):
    for seed in (0, 1):
        report = convert_voc(src, dst, lists=lists, seed=seed)
        assert report.findings == {}
        for split in SPLITS:
            found = by_name(dst, split)
            assert list(found) == names(split)
            listed = (dst / 'lists' / f'{split}.txt').read_text()
            assert listed.splitlines() == names(split)
            assert report.counts[split]['images'] == len(names(split))
            for entry in found.values():
                assert len(entry['boxes']) == 1
        assert set(by_name(dst, 'unlabelled')) == set()


def test_a_list_may_be_written_in_many_ways(src, dst, lists):
    convert_voc(src, dst, lists=lists)
    expected = {split: load(dst, split)['images'] for split in SPLITS}
    lines = ['# rule', '', '  dent_2 ', 'dent_1', '\t#x', *names('train')[2:]]
    text = '\r\n'.join(lines)
    (lists / 'train.txt').write_bytes(b'\xef\xbb\xbf' + text.encode())
    write_list(lists, 'validation', 'no list of ours')
    convert_voc(src, dst, lists=lists)
    # In the same order, too.
    found = {split: load(dst, split)['images'] for split in SPLITS}
    assert found == expected


def test_a_mark_before_the_first_name_is_no_part_of_it(src, dst, lists):
    text = (lists / 'train.txt').read_bytes()
    (lists / 'train.txt').write_bytes(b'\xef\xbb\xbf' + text)
    convert_voc(src, dst, lists=lists)
    assert list(by_name(dst, 'train')) == names('train')


def test_val_and_test_may_be_missing(src, dst, lists):
    write_list(lists, 'train', *(n for s in SPLITS for n in names(s)))
    (lists / 'val.txt').unlink()
    (lists / 'test.txt').unlink()
    report = convert_voc(src, dst, lists=lists)
    assert len(by_name(dst, 'train')) == 20
    assert by_name(dst, 'val') == by_name(dst, 'test') == {}
    assert list(report.options['lists_sha256']) == ['train']


def test_few_shot_subsets_come_from_train_by_the_seed(src, dst, lists):
    drawn = set()
    for seed in range(4):
        convert_voc(src, dst, lists=lists, few_shot=[1, 3], seed=seed)
        one, three = by_name(dst, 'train_1'), by_name(dst, 'train_3')
        assert (len(one), len(three)) == (2, 6)
        assert set(one) < set(three) < set(names('train'))
        drawn.add(tuple(three))
    assert len(drawn) > 1
    with pytest.raises(ValueError, match='few-shot 7 is more than the 6'):
        convert_voc(src, dst, lists=lists, few_shot=[7])


def in_folders(dst: Path) -> Path:
    """A dataset that lies where the conversion keeps its images."""
    for number, name in enumerate(('a/1', 'b/1', 'b/2')):
        write_image(dst / f'images/{name}.png', number)
        write_xml(
            dst / f'annotations/{name}.xml', objects=[('dent', 3, 5, 22, 14)]
        )
    return dst


@pytest.mark.parametrize('short', ['2', '2.png', 'b/2.png'])
def test_folders_may_be_left_out_where_that_is_clear(dst, tmp_path, short):
    write_list(tmp_path / 'lists', 'train', 'a/1.png', short)
    write_list(tmp_path / 'lists', 'test', 'b/1.png')
    convert_voc(in_folders(dst), dst, lists=tmp_path / 'lists')
    assert list(by_name(dst, 'train')) == ['a/1.png', 'b/2.png']
    assert list(by_name(dst, 'test')) == ['b/1.png']


@pytest.mark.parametrize('short', ['1', '1.png'])
def test_an_ambiguous_name_is_told(dst, tmp_path, short):
    write_list(tmp_path / 'lists', 'train', 'a/1.png', '2')
    write_list(tmp_path / 'lists', 'val', short)
    with pytest.raises(ValueError, match='') as caught:
        convert_voc(in_folders(dst), dst, lists=tmp_path / 'lists')
    assert str(caught.value) == (
        f'{tmp_path}/lists/val.txt names {short}, which may be a/1.png or '
        'b/1.png (1 such in all); write such names in full'
    )


def test_the_old_name_of_renamed_images_is_ambiguous(dst, tmp_path):
    for kind, seed in (('dent', 1), ('rust', 2)):
        write_image(tmp_path / f'src/images/{kind}/1.png', seed)
        write_xml(
            tmp_path / f'src/annotations/{kind}/1.xml',
            objects=[(kind, 3, 5, 22, 14)],
        )
    lists = tmp_path / 'lists'
    write_list(lists, 'train', '1.png')
    with pytest.raises(ValueError, match=r'dent__1\.png or rust__1\.png'):
        convert_voc(tmp_path / 'src', dst, lists=lists)
    write_list(lists, 'train', 'rust__1')
    write_list(lists, 'val', 'dent__1.png')
    convert_voc(tmp_path / 'src', dst, lists=lists)
    assert set(by_name(dst, 'train')) == {'rust__1.png'}
    assert set(by_name(dst, 'val')) == {'dent__1.png'}


def test_a_full_name_comes_before_a_stem(dst, tmp_path):
    for number, name in enumerate(('1.png', '1.png.png')):
        write_image(tmp_path / 'src/images' / name, number)
        write_xml(
            tmp_path / 'src/annotations' / f'{name[:-4]}.xml',
            objects=[('dent', 3, 5, 22, 14)],
        )
    write_list(tmp_path / 'lists', 'train', '1.png')
    convert_voc(tmp_path / 'src', dst, lists=tmp_path / 'lists')
    assert set(by_name(dst, 'train')) == {'1.png'}


@pytest.mark.parametrize('second', ['rust_3.png', 'rust_3'])
@pytest.mark.parametrize('split', SPLITS)
def test_an_image_named_twice_is_told(src, dst, lists, split, second):
    add_line(lists, split, second)
    add_line(lists, 'test', 'dent_1')
    with pytest.raises(ValueError, match='') as caught:
        convert_voc(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/{split}.txt names {second}, which {lists}/train.txt names '
        'already (2 such in all); name each image once, in one list'
    )
    assert not dst.exists()


def test_names_that_the_dataset_lacks_are_told(src, dst, lists):
    (src / 'IMAGES/rust_10.png').write_bytes(b'no image')
    add_line(lists, 'val', 'dent_11.png')
    add_line(lists, 'val', 'DENT_1.png')
    with pytest.raises(ValueError, match='') as caught:
        convert_voc(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/val.txt names dent_11.png, which is no readable image of '
        'the dataset (3 such in all); correct the names or take them off '
        'the lists'
    )
    assert not dst.exists()


def test_names_without_usable_annotation_are_told(src, dst, lists):
    (src / 'ANNOTATIONS/rust_7.xml').unlink()
    (src / 'ANNOTATIONS/rust_9.xml').write_text('<annotation>')
    with pytest.raises(ValueError, match='') as caught:
        convert_voc(src, dst, lists=lists)
    assert str(caught.value) == (
        f'{lists}/val.txt names rust_7.png, which has no usable annotation '
        '(2 such in all); mend the XML files or take them off the lists'
    )
    # An XML without objects is usable: it says that there is no defect.
    for name in ('rust_7', 'rust_9'):
        write_xml(src / f'ANNOTATIONS/{name}.xml')
    convert_voc(src, dst, lists=lists)
    assert by_name(dst, 'val')['rust_7.png']['boxes'] == []


def test_missing_lists_are_told(src, dst, lists):
    for folder in (lists / 'nowhere', lists / 'train.txt'):
        with pytest.raises(FileNotFoundError, match='is not a folder') as e:
            convert_voc(src, dst, lists=folder)
        assert str(folder) in str(e.value)
    (lists / 'train.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'train\.txt is missing'):
        convert_voc(src, dst, lists=lists)
    assert not dst.exists()


def test_lists_that_cannot_be_read_are_told(src, dst, lists):
    (lists / 'val.txt').write_bytes('dent_ü.png'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'val\.txt is not UTF-8') as caught:
        convert_voc(src, dst, lists=lists)
    assert '\n' not in str(caught.value)
    (lists / 'val.txt').unlink()
    (lists / 'val.txt').mkdir()
    with pytest.raises(OSError, match=r'cannot read .*val\.txt'):
        convert_voc(src, dst, lists=lists)


def test_labelled_images_in_no_list_are_reported(src, dst, lists):
    convert_voc(src, dst, lists=lists)
    assert (dst / 'images/dent_6.png').is_symlink()
    write_list(lists, 'train', *names('train')[:5])
    (src / 'ANNOTATIONS/rust_5.xml').unlink()
    report = convert_voc(src, dst, lists=lists)
    # rust_5 has no XML any more: it is unlabelled, not unlisted.
    unlisted = ['dent_6.png', *(f'rust_{n}.png' for n in (1, 2, 3, 4, 6))]
    assert kinds(report) == dict(
        image_without_xml=['IMAGES/rust_5.png'], unlisted_image=unlisted
    )
    assert set(by_name(dst, *SPLITS, 'unlabelled')).isdisjoint(unlisted)
    assert set(by_name(dst, 'unlabelled')) == {'rust_5.png'}
    assert '6 unlisted_image: labelled image that' in format_report(report)
    # Nothing uses them, so nothing links to them.
    placed = {path.name for path in (dst / 'images').iterdir()}
    assert placed == set(by_name(dst, *SPLITS, 'unlabelled'))
    first = snapshot(dst)
    with pytest.raises(FindingsError, match='7 findings'):
        convert_voc(src, dst, lists=lists, strict=True)
    assert snapshot(dst) == first


def test_unlisted_images_of_a_dataset_made_of_links_stay(tmp_path, dst):
    store = flat_dataset(tmp_path / 'store')
    (store / 'ANNOTATIONS').rename(tmp_path / 'annotations')
    dst.mkdir()
    (tmp_path / 'annotations').rename(dst / 'annotations')
    (dst / 'images').mkdir()
    for path in (store / 'IMAGES').iterdir():
        (dst / 'images' / path.name).symlink_to(path)
    convert_voc(dst, dst)
    write_list(tmp_path / 'lists', 'train', 'dent_1', 'rust_1')
    report = convert_voc(dst, dst, lists=tmp_path / 'lists')
    assert len(kinds(report)['unlisted_image']) == 18
    assert len(list((dst / 'images').iterdir())) == 20


def test_report_and_info_identify_the_lists(src, dst, lists, tmp_path):
    report = convert_voc(src, dst, lists=lists)
    digests = {
        split: hashlib.sha256((lists / f'{split}.txt').read_bytes())
        for split in SPLITS
    }
    expected = {split: found.hexdigest() for split, found in digests.items()}
    assert report.options['lists_sha256'] == expected
    assert 'ratio' not in report.options
    for key in (*SPLITS, 'unlabelled'):
        info = load(dst, key)['info']
        assert info['lists_sha256'] == expected
        assert 'ratio' not in info
    for data in snapshot(dst).values():
        assert isinstance(data, str) or str(tmp_path).encode() not in data
    # The same lists elsewhere give the same bytes.
    first = snapshot(dst)
    lists.rename(tmp_path / 'moved')
    convert_voc(src, dst, lists=tmp_path / 'moved')
    assert snapshot(dst) == first
    convert_voc(src, dst)
    assert 'lists_sha256' not in load(dst, 'train')['info']


def test_lists_of_a_conversion_give_it_again(src, dst, tmp_path):
    convert_voc(src, dst, seed=7)
    convert_voc(src, tmp_path / 'again', lists=dst / 'lists')
    assert [by_name(dst, split) for split in SPLITS] == [
        by_name(tmp_path / 'again', split) for split in SPLITS
    ]


def test_a_ratio_beside_lists_is_refused(src, dst, lists):
    # Also the ratio that is drawn with by default.
    with pytest.raises(ValueError, match='ratio and lists exclude') as caught:
        convert_voc(src, dst, ratio=(0.7, 0.1, 0.2), lists=lists)
    assert '\n' not in str(caught.value)
    assert not dst.exists()


def run(*args, cwd: Path) -> tuple[int, str, str]:
    """Runs the tool: exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, TOOL, 'voc', *args],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_tool_takes_lists(src, dst, lists, tmp_path):
    code, out, err = run('src', 'dst', '--lists', 'lists', cwd=tmp_path)
    assert (code, err) == (0, '')
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[:5]}
    assert rows['all'][::3] == ['12', '4', '4', '0']
    assert list(by_name(dst, 'val')) == names('val')


@pytest.mark.parametrize(
    ('args', 'told'),
    [
        (('--lists', 'lists', '--ratio', '0.7', '0.1', '0.2'), 'exclude'),
        (('--lists', 'nowhere'), 'not a folder'),
        (('--lists', 'src'), 'train.txt is missing'),
        (('--lists', 'wrong'), 'no readable image'),
    ],
)
def test_tool_tells_mistakes_in_one_line(src, lists, tmp_path, args, told):
    write_list(tmp_path / 'wrong', 'train', 'dent_1', 'nobody')
    code, out, err = run('src', 'dst', *args, cwd=tmp_path)
    assert (code, out) == (1, '')
    assert len(err.splitlines()) == 1
    assert told in err
    assert not (tmp_path / 'dst').exists()
