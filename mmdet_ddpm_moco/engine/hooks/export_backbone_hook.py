"""A contrastive run ends with the one file that a detector needs."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...checkpoints.backbone_file import (
    RECORD,
    backbone_file,
    images_seen_by,
    plain,
    record_in,
)
from ...checkpoints.weights_only import load_weights_only
from ...utils.dist import unwrap_model
from ...utils.errors import InputError
from ...utils.fileio import atomic_torch_save
from ...utils.provenance import KEY, Record, merge_records
from ...version import __version__
from ..training_images import annotation_hashes, images_trained_on


@HOOKS.register_module()
class ExportBackboneHook(Hook):
    """Writes the query backbone to ``<work_dir>/backbone.pth``.

    The file holds ``state_dict`` (keys ``backbone.*``) and ``meta`` in plain
    types: ``package_version``, ``arch`` (the config of the backbone),
    ``head`` (the config of the loss), ``epochs``, ``iters``,
    ``ann_files``, the SHA-256 of each annotation file by its name, and
    ``images_seen``, what the training images are recognized by (None where
    the dataset does not tell its files), with those that the checkpoint of
    the backbone's ``init_cfg`` was made from. No date and no host: the same
    run gives the same file. Training checkpoints carry the same record as
    ``meta['backbone_record']``.

    Args:
        out (str): Name of the file, inside the work folder unless it is
            absolute. Defaults to 'backbone.pth'.

    Raises:
        ValueError: If ``out`` is empty.
    """

    def __init__(self, out: str = 'backbone.pth') -> None:
        if not out:
            msg = f'out={out!r} must be the name of a file'
            raise InputError(msg)
        self.out = out
        self._ann_files: dict[str, str | None] = {}
        self._images_seen: Record | None = None

    def before_train(self, runner: Runner) -> None:
        """Notes annotations and images before somebody changes them.

        Args:
            runner (Runner): Its training dataset is built.
        """
        if is_main_process():
            dataset = runner.train_dataloader.dataset
            self._ann_files = annotation_hashes(dataset)
            self._images_seen = merge_records(
                images_trained_on(dataset), self._images_seen_before(runner)
            )

    def _images_seen_before(self, runner: Runner) -> Record | None:
        """The record of the weights that the backbone started from."""
        model = runner.cfg.get('model') or {}
        init_cfg = (model.get('backbone') or {}).get('init_cfg')
        inits = init_cfg if isinstance(init_cfg, list) else [init_cfg or {}]
        files = [Path(init.get('checkpoint') or '') for init in inits]
        # Others, such as torchvision://, carry no record.
        return merge_records(
            *(
                images_seen_by(record_in(load_weights_only(file)), file)
                for file in files
                if file.is_file()
            )
        )

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Adds the record to a training checkpoint.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): Its ``meta`` tells epoch and iteration.
        """
        meta = checkpoint['meta']
        meta[RECORD] = self._record(runner, meta['epoch'], meta['iter'])

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Writes the file, whole or not at all.

        Args:
            runner (Runner): Its training has ended.

        Raises:
            ValueError: If the model has no backbone.
        """
        model = runner.model
        model = unwrap_model(model)
        record = self._record(runner, runner.epoch, runner.iter)
        path = Path(runner.work_dir) / self.out
        atomic_torch_save(backbone_file(model.state_dict(), record), path)
        runner.logger.info(f'backbone written to {path}')

    def _record(
        self, runner: Runner, epochs: int, iters: int
    ) -> dict[str, Any]:
        model = runner.cfg.get('model') or {}
        return plain(
            {
                'package_version': __version__,
                'arch': model.get('backbone'),
                'head': model.get('head'),
                'epochs': epochs,
                'iters': iters,
                'ann_files': self._ann_files,
                KEY: self._images_seen,
            }
        )
