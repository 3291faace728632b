from mmengine.config import Config

from mmdet_ddpm_moco.engine.inputs import config_dicts


def test_outer_dicts_come_before_inner_ones_through_lists_and_tuples():
    part = dict(a=1, b=[dict(a=2, b=(dict(a=3), 'x'))], c=dict(a=4))
    assert [found['a'] for found in config_dicts(part)] == [1, 2, 3, 4]


def test_to_change_one_changes_the_config():
    cfg = Config(dict(model=dict(parts=[dict(size=1), dict(size=2)])))
    for found in config_dicts(cfg.model):
        if 'size' in found:
            found['size'] = 5
    assert [part.size for part in cfg.model.parts] == [5, 5]


def test_what_holds_no_dict_holds_none():
    for part in (None, 'text', 3, [1, 'a'], ()):
        assert list(config_dicts(part)) == []
