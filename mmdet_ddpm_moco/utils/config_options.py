"""Options of a command line that override settings of a config."""

import ast
import re
from typing import Any

from mmengine.config import Config, DictAction

from .errors import InputError

_HOLDS_DICTS = re.compile(r'[\[(\s]*(\{|dict\()')


class ConfigAction(DictAction):
    """MMEngine's ``KEY=VALUE`` options, which may also hold dicts.

    A dict, or a list with dicts, is read as Python:
    ``"custom_hooks=[dict(type='X', bank='bank')]"``; anything else is read by
    MMEngine.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        value = val.strip()
        if not _HOLDS_DICTS.match(value):
            return DictAction._parse_iterable(val)
        try:
            return _literal(ast.parse(value, mode='eval').body)
        except (SyntaxError, ValueError):
            msg = (
                f'{val} is no value of Python; quote the option whole, as in '
                """--cfg-options "custom_hooks=[dict(type='X')]\""""
            )
            raise InputError(msg) from None


def merge_options(cfg: Config, options: dict | None) -> None:
    """Overrides settings of a config, in place.

    Args:
        cfg (Config): Changed.
        options (dict | None): As :class:`ConfigAction` parsed them; None
            changes nothing.
    """
    if options is None:
        return
    cfg.merge_from_dict(options)
    hooks = cfg.get('custom_hooks')
    if isinstance(hooks, dict):
        # What MMEngine makes of custom_hooks.0.type=... without a list.
        cfg.custom_hooks = [hooks[number] for number in sorted(hooks)]


def _literal(node: ast.expr) -> Any:
    """Value of a literal in which dicts may be calls of ``dict``."""
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_literal(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_literal(key) for key in node.keys if key]
        return dict(zip(keys, map(_literal, node.values)))
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and not node.args
        and all(k.arg for k in node.keywords)
    ):
        return {str(k.arg): _literal(k.value) for k in node.keywords}
    return ast.literal_eval(node)
