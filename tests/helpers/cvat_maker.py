"""Makes small CVAT data sets for the tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from helpers.voc_maker import write_image


def element(tag: str, **attributes: object) -> str:
    """A shape of class dent, as CVAT writes it."""
    fields = dict(label='dent', source='manual', occluded=0) | attributes
    inner = ' '.join(f'{k}={quoteattr(str(v))}' for k, v in fields.items())
    return f'<{tag} {inner}></{tag}>'


# Left, top, width and height are 2, 4, 20 and 10.
DENT = element('box', xtl='2.00', ytl='4.00', xbr='22.00', ybr='14.00')


def cvat_xml(
    images: Mapping[str, Sequence[str]],
    subsets: Mapping[str, str] | None = None,
    size: tuple[int, int] = (40, 40),
) -> str:
    """An XML with the shapes of each image by name."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<annotations>']
    lines.append('<version>1.1</version><meta><task></task></meta>')
    for number, (name, shapes) in enumerate(images.items()):
        subset = (subsets or {}).get(name)
        extra = '' if subset is None else f' subset={quoteattr(subset)}'
        lines.append(
            f'<image id="{number}" name={quoteattr(name)}{extra} '
            f'width="{size[0]}" height="{size[1]}">'
        )
        lines += [*shapes, '</image>']
    return '\n'.join([*lines, '</annotations>'])


def write_cvat(root: Path, images: Mapping[str, Sequence[str]], **options):
    """``annotations.xml`` and ``images/``."""
    root.mkdir(parents=True, exist_ok=True)
    (root / 'annotations.xml').write_text(cvat_xml(images, **options))
    for seed, name in enumerate(images, start=1):
        write_image(root / 'images' / name, seed)
    return root
