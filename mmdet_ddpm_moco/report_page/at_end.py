"""Writes the page when a training ends, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.logging import print_log

from ..engine.run_record import FILE


@contextmanager
def reported(work_dir: str | Path) -> Iterator[None]:
    """Writes the page of a run with stages when it ends, or fails.

    A page that cannot be written costs a warning, never the run.

    Args:
        work_dir (str | Path): Of the detector. Without a record of stages in
            it there is no page.
    """
    try:
        yield
    finally:
        if is_main_process() and (Path(work_dir) / FILE).is_file():
            try:
                # A missing library is a failure of the page, too.
                from .page import write_report

                print_log(f'report of this run: {write_report(work_dir)}')
            except Exception as error:
                what = ' '.join(f'{type(error).__name__}: {error}'.split())
                print_log(f'warning: no report of this run: {what}')
