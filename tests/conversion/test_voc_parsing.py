import pytest

from helpers.voc_maker import voc_xml
from mmdet_ddpm_moco.conversion.boxes import clean_boxes
from mmdet_ddpm_moco.conversion.formats.voc import parse


def test_everything_is_read():
    text = voc_xml(
        'a_1', [('dent', 1, 2, 30, 40), ('rust', '1.5', '2e0', 3, 4)], (50, 60)
    )
    voc = parse(text.encode())
    assert voc.filename == 'a_1'
    assert voc.size == (50, 60)
    assert [item.name for item in voc.objects] == ['dent', 'rust']
    assert voc.objects[0].edges == (0, 1, 30, 40)
    assert voc.objects[1].edges == (0.5, 1, 3, 4)
    assert voc.objects[1].text == '1.5,2,3,4'


@pytest.mark.parametrize('bad', ['', 'left', 'nan', 'inf'])
def test_coordinates_that_are_no_numbers_are_none(bad):
    voc = parse(voc_xml('a', [('dent', 1, 2, bad, 4)]).encode())
    assert voc.objects[0].edges is None


@pytest.mark.parametrize(
    ('text', 'difficult'), [('1', True), ('0', False), ('', False)]
)
def test_difficult_objects_are_kept_and_counted(text, difficult):
    data = voc_xml('a', [('dent', 1, 2, 30, 40)]).replace(
        '<bndbox>', f'<difficult>{text}</difficult><bndbox>'
    )
    objects = parse(data.encode()).objects
    boxes, findings = clean_boxes(objects, 40, 40, 'a', {'dent'})
    assert [box.xywh for box in boxes] == [(0, 1, 30, 39)]
    found = [('difficult_object', 'dent 1,2,30,40')]
    assert findings == (found if difficult else [])


@pytest.mark.parametrize(
    ('angle', 'edges'),
    [
        ('90.0', (18, 12, 22, 32)),
        ('0.0', (10, 20, 30, 24)),
        ('', (10, 20, 30, 24)),
        ('nan', (10, 20, 30, 24)),
    ],
)
def test_boxes_that_were_turned_in_cvat(angle, edges):
    xml = voc_xml('a', [('dent', 11, 21, 30, 24)]).replace(
        '<bndbox>',
        '<difficult>1</difficult><attributes><attribute><name>rotation</name>'
        f'<value>{angle}</value></attribute></attributes><bndbox>',
    )
    (item,) = parse(xml.encode()).objects
    assert item.edges == edges
    assert item.name == 'dent'
    assert item.difficult


def test_missing_parts_are_empty_not_errors():
    voc = parse(b'<annotation><object/></annotation>')
    assert voc.filename == ''
    assert voc.size is None
    assert voc.objects[0].name == ''
    assert voc.objects[0].edges is None


def test_other_encodings_are_read():
    text = '<?xml version="1.0" encoding="GBK"?>' + voc_xml(
        'a', [('擦花', 1, 2, 3, 4)]
    )
    assert parse(text.encode('gbk')).objects[0].name == '擦花'


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', 'empty'),
        (b' \n', 'empty'),
        (b'<annotation><object>', 'not well-formed'),
        (b'\xff\xd8\xff\xe0', 'not well-formed'),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 'not well-formed'),
        (b'<html></html>', '<html>'),
    ],
)
def test_what_is_no_voc_xml_is_one_clear_error(data, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse(data)
    assert '\n' not in str(caught.value)
