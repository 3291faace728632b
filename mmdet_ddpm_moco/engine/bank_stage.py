"""The stage of the defect bank."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

from mmengine.config import Config

from ..synthesis.settings import BankOptions, training_images
from ..utils.dist import (
    all_ranks,
    long_timeout_group,
    main_process_first,
)
from ..utils.errors import InputError
from ..utils.fileio import read_json
from .stage import Stage, clear_away, flags, quoted


def bank_stage(
    ddpm: Config,
    generator: Path,
    out: Path,
    recipe: Mapping,
    config: Path,
) -> Stage:
    """The stage of the defect bank.

    Args:
        ddpm (Config): Of the generator; its training images are the hosts.
        generator (Path): Folder of the trained one.
        out (Path): Folder of the bank.
        recipe (Mapping): ``stages.bank``: ``num`` and :class:`BankOptions`.
        config (Path): The file that its command names, with the same images.

    Returns:
        Stage: Resumes what was killed; a bank of other settings is set
        aside.

    Raises:
        ValueError: ``num`` is missing, or an option unknown.
    """
    images = training_images(ddpm)
    options = dict(recipe)
    num = options.pop('num', None)
    known = [field.name for field in fields(BankOptions)]
    unknown = sorted(set(options) - set(known))
    if num is None or unknown:
        wrong = f'has no {", ".join(unknown)}' if unknown else 'needs num'
        msg = f'stages.bank {wrong}; it takes num and {", ".join(known)}'
        raise InputError(msg)

    def settings() -> dict:
        # Synthesis needs diffusers; a detector that reuses its bank does not.
        from ..synthesis.generator import load_generator
        from ..synthesis.run import bank_settings

        return bank_settings(
            load_generator(generator),
            images['ann_file'],
            BankOptions(**options),
        )

    def fresh() -> bool:
        found = read_json(out / 'manifest.json')
        # A run that was killed before it cleared up leaves its settings.
        if not (found and generator.exists()) or is_begun():
            return False
        wanted = settings()
        return (
            found['asked'] == num
            and found.get('missed') == wanted.get('missed')
            and wanted.items() <= found.items()
        )

    def is_begun() -> bool:
        return (out / 'settings.json').exists()

    def clear_the_way() -> None:
        from ..bank.lock import is_started, locked

        if not out.exists() or is_started(out, settings()):
            return
        with ExitStack() as held:
            if is_begun():
                # Another run may be writing what is to be moved.
                held.enter_context(locked(out))
            clear_away(out)

    def make() -> None:
        from ..synthesis.generator import load_generator
        from ..synthesis.run import synthesize_bank

        main_process_first(clear_the_way, long_timeout_group())
        synthesize_bank(
            all_ranks(lambda: load_generator(generator)),
            images['ann_file'],
            images['img_prefix'],
            out,
            num=num,
            **options,
        )

    tool = quoted('python', 'tools/synthesize.py', config)
    given = flags(dict(generator=generator, out=out, num=num, **options))
    return Stage('bank', out, fresh, make, f'{tool} {given}')
