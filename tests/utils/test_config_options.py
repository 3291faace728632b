"""Settings of a config that are overridden on a command line."""

import argparse

import pytest
from mmengine.config import Config

from mmdet_ddpm_moco.utils.config_options import ConfigAction, merge_options
from mmdet_ddpm_moco.utils.errors import InputError


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('3', 3),
        ('a,b', ['a', 'b']),
        ('[(1,2),x]', [(1, 2), 'x']),
        ('epoch_{}.pth', 'epoch_{}.pth'),
        ('[dict(a=1, b=dict(c=None))]', [dict(a=1, b=dict(c=None))]),
        ("{'a': [dict()], 'b': -1}", dict(a=[{}], b=-1)),
        ("(dict(type='X'),)", (dict(type='X'),)),
    ],
)
def test_values_of_options(text, value):
    assert ConfigAction._parse_iterable(text) == value


@pytest.mark.parametrize(
    'text',
    ['[dict(a=b)]', '[dict(a=1]', 'dict(**x)', '[dict(a=open("f"))]'],
)
def test_options_that_are_no_values(text):
    with pytest.raises(InputError, match='is no value of Python'):
        ConfigAction._parse_iterable(text)


def parsed(*options):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


def test_hooks_by_number_are_a_list_where_the_config_has_none():
    cfg = Config(dict(work_dir='a'))
    options = [
        'custom_hooks.1.type=Y',
        'custom_hooks.0.type=X',
        'custom_hooks.0.bank=b',
        'work_dir=c',
    ]
    merge_options(cfg, parsed(*options))
    assert cfg.custom_hooks == [dict(type='X', bank='b'), dict(type='Y')]
    assert cfg.work_dir == 'c'
    merge_options(cfg, parsed('custom_hooks.1.type=Z'))
    assert cfg.custom_hooks == [dict(type='X', bank='b'), dict(type='Z')]
    merge_options(cfg, None)
    assert cfg.work_dir == 'c'
