import unicodedata

import pytest

from helpers.voc_maker import by_name, kinds, load, write_xml
from mmdet_ddpm_moco.conversion.class_names import read_renames
from mmdet_ddpm_moco.conversion.convert import convert_dataset

SPLITS = ('train', 'val', 'test')
DECOMPOSED = unicodedata.normalize('NFD', 'é')


def test_renames_are_read_from_options_and_files(tmp_path):
    table = tmp_path / 'names.txt'
    table.write_text('# Tianchi\n\n擦花 = scratch\r\nd=\n', encoding='utf-8')
    assert read_renames([str(table), 'a=b=c', f'{DECOMPOSED}=e']) == {
        '擦花': 'scratch', 'd': '', 'a=b': 'c', 'é': 'e'
    }  # fmt: skip
    assert read_renames([]) == {}


@pytest.mark.parametrize(
    ('entries', 'message'),
    [
        (['nowhere.txt'], 'cannot read nowhere.txt.*old=new'),
        (['=new'], "'=new' must be old=new"),
        (['a=b', 'a=c'], "'a' is renamed to 'b' and to 'c'"),
    ],
)
def test_wrong_renames_are_one_line(entries, message):
    with pytest.raises((ValueError, OSError), match=message) as caught:
        read_renames(entries)
    assert '\n' not in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path):
    table = tmp_path / 'names.txt'
    table.write_bytes('擦花=a'.encode('gbk'))
    with pytest.raises(ValueError, match='save it as UTF-8'):
        read_renames([str(table)])


def test_aliases_and_bogus_labels(src, dst):
    def label(number, name):
        write_xml(
            src / f'ANNOTATIONS/dent_{number}.xml',
            objects=[(name, 3, 5, 22, 14)],
        )

    label(1, '凹痕')
    label(2, 'd')
    label(3, f'{DECOMPOSED} ')
    label(4, 'é')
    rename = {'凹痕': 'dent', 'd': '', 'é': 'bruise', 'gone': 'x'}
    report = convert_dataset(src, dst, rename=rename)
    assert [c['name'] for c in load(dst, 'train')['categories']] == [
        'bruise', 'dent', 'rust'
    ]  # fmt: skip
    found = by_name(dst, *SPLITS)
    assert found['dent_1.png']['boxes'][0][0] == 'dent'
    assert found['dent_3.png']['boxes'] == found['dent_4.png']['boxes']
    assert set(by_name(dst, 'unlabeled')) == {'dent_2.png'}
    assert kinds(report) == dict(
        unknown_class=['ANNOTATIONS/dent_2.xml'],
        no_usable_objects=['ANNOTATIONS/dent_2.xml'],
        rename_not_found=['gone'],
    )
    assert report.options['rename'] == rename


def test_classes_that_differ_in_case_are_named(src, dst):
    write_xml(
        src / 'ANNOTATIONS/dent_1.xml', objects=[('De_nt', 3, 5, 22, 14)]
    )
    report = convert_dataset(src, dst)
    assert report.findings == dict(similar_classes=[('dent', 'and De_nt')])
    report = convert_dataset(src, dst, rename={'De_nt': 'dent'})
    assert report.findings == {}
    assert len(report.options['classes']) == 2
