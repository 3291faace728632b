"""Imports point down: no part of the package needs one that stands above it.

A file that needs something of a higher part is handed it by whoever calls.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'mmdet_ddpm_moco'

# Lowest first. Parts of one floor do not know each other, but for ALLOWED.
FLOORS = (
    {'version', 'utils'},
    {'bank', 'checkpoints', 'demo'},
    {'models', 'datasets', 'conversion'},
    {'visualization'},
    {'synthesis', 'teacher', 'evaluation'},
    {'engine'},
    {'ablation', 'report_page', 'interop'},
)
ALLOWED = {
    # The gate asks the detector that evaluation loads.
    ('synthesis', 'evaluation'),
    # Teachers are loaded as that detector is.
    ('teacher', 'evaluation'),
}
# Needs torch alone, so that any tool may read a checkpoint.
TORCH_ALONE = {'torch', 'numpy'}


def floor_of(part: str) -> int:
    (floor,) = (i for i, parts in enumerate(FLOORS) if part in parts)
    return floor


def modules(package: Path) -> dict[str, Path]:
    """Module names below ``package`` without its own, and their files."""
    found = {}
    for path in sorted(package.rglob('*.py')):
        if '.mim' in path.parts:
            continue
        parts = path.relative_to(package).with_suffix('').parts
        found['.'.join(p for p in parts if p != '__init__')] = path
    return found


def imports(
    name: str, path: Path, known: dict[str, Path]
) -> Iterator[tuple[int, str]]:
    """Line and module, of this package, of each import; lazy ones too."""
    own = name.split('.') if name else []
    folder = own if path.name == '__init__.py' else own[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named = [(alias.name, '') for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                up = folder[: len(folder) - node.level + 1]
                base = '.'.join(['mmdet_ddpm_moco', *up, base]).rstrip('.')
            named = [(base, alias.name) for alias in node.names]
        else:
            continue
        for base, member in named:
            if base.split('.')[0] != 'mmdet_ddpm_moco':
                continue
            base = base.removeprefix('mmdet_ddpm_moco').lstrip('.')
            inner = f'{base}.{member}'.strip('.')
            yield node.lineno, inner if inner in known else base


def broken_arrows(package: Path) -> list[str]:
    """A sentence about each import that points up, or sideways."""
    known = modules(package)
    broken = []
    for name, path in known.items():
        part = name.split('.')[0]
        if not part:
            continue  # the package's own __init__ names all of its exports
        for line, other in imports(name, path, known):
            target = other.split('.')[0]
            if not target or target == part or (part, target) in ALLOWED:
                continue
            if floor_of(target) >= floor_of(part):
                place = path.relative_to(package.parent)
                broken.append(f'{place}:{line}: {part} imports {other}')
    return broken


def circles(package: Path) -> list[list[str]]:
    """Modules that import each other, however long the way round."""
    known = modules(package)
    arrows = {
        name: {other for _, other in imports(name, path, known)} - {name, ''}
        for name, path in known.items()
        if name
    }
    found, done = [], set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for other in sorted(arrows.get(name, ())):
            visit(other, [*way, name])
        done.add(name)

    for name in arrows:
        visit(name, [])
    return found


def test_every_part_has_a_floor():
    parts = {name.split('.')[0] for name in modules(PACKAGE)} - {''}
    assert parts == set().union(*FLOORS)


def test_imports_point_down():
    assert broken_arrows(PACKAGE) == []


def test_no_module_imports_itself_in_a_circle():
    assert circles(PACKAGE) == []


def test_checkpoints_need_torch_alone():
    for path in (PACKAGE / 'checkpoints').glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level:
                top = node.module.split('.')[0]
            elif isinstance(node, ast.Import):
                top = node.names[0].name.split('.')[0]
            else:
                continue
            assert top in TORCH_ALONE or top in STANDARD, (path, node.lineno)


STANDARD = set(__import__('sys').stdlib_module_names)


@pytest.mark.parametrize(
    'text, complaint',
    [
        ('from ..engine import x', 'bank imports engine.x'),
        ('def f():\n    from ..engine.x import y', 'bank imports engine.x'),
        ('import mmdet_ddpm_moco.engine.x', 'bank imports engine.x'),
        ('from mmdet_ddpm_moco.engine import x', 'bank imports engine.x'),
        ('from ..checkpoints import z', 'bank imports checkpoints'),
        ('from ..utils import z', None),
        ('from .other import z', None),
        ('import numpy', None),
    ],
)
def test_the_walk_sees_every_form_of_import(tmp_path, text, complaint):
    package = tmp_path / 'mmdet_ddpm_moco'
    for part in ('bank', 'engine', 'checkpoints', 'utils'):
        (package / part).mkdir(parents=True)
        (package / part / '__init__.py').touch()
    (package / '__init__.py').touch()
    (package / 'engine' / 'x.py').touch()
    (package / 'bank' / 'other.py').touch()
    (package / 'bank' / 'it.py').write_text(text)
    found = broken_arrows(package)
    assert bool(found) == bool(complaint)
    if complaint:
        line = text.count('\n') + 1
        assert found == [f'mmdet_ddpm_moco/bank/it.py:{line}: {complaint}']


def test_the_walk_sees_a_circle(tmp_path):
    package = tmp_path / 'mmdet_ddpm_moco'
    (package / 'bank').mkdir(parents=True)
    (package / 'bank' / '__init__.py').touch()
    (package / 'bank' / 'a.py').write_text('from . import b')
    (package / 'bank' / 'b.py').write_text('from .c import x')
    (package / 'bank' / 'c.py').write_text('def f():\n    from .a import y')
    assert circles(package) == [['bank.a', 'bank.b', 'bank.c', 'bank.a']]
