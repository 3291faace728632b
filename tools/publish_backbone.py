"""Publishes the backbone of a contrastive run.

The file holds the weights of the backbone and the record of what they were
trained on, nothing else, and is named with the start of its SHA-256.
"""

import argparse
import hashlib
import re
import sys
from pathlib import Path

from mmdet_ddpm_moco.checkpoints.backbone_file import backbone_file, record_in
from mmdet_ddpm_moco.checkpoints.weights_only import (
    load_weights_only,
    weights_of,
)
from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.fileio import atomic_write_bytes, torch_bytes


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'checkpoint',
        metavar='IN',
        help='backbone.pth or a checkpoint of a contrastive run',
    )
    parser.add_argument(
        'out_dir', metavar='OUT_DIR', type=Path, help='where to write it'
    )
    return parser.parse_args(argv)


def publish(checkpoint: str, out_dir: Path) -> Path:
    loaded = load_weights_only(checkpoint)
    record = record_in(loaded)
    if record is None:
        print(
            f'{checkpoint} has no record of the annotation files it was '
            'trained on (ExportBackboneHook writes one)',
            file=sys.stderr,
        )
    weights = weights_of(loaded, checkpoint)
    data = torch_bytes(backbone_file(weights, record or {}))
    stem = re.sub(r'-[0-9a-f]{8}$', '', Path(checkpoint).stem)
    digest = hashlib.sha256(data).hexdigest()[:8]
    path = out_dir / f'{stem}-{digest}.pth'
    atomic_write_bytes(path, data)
    return path


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    one_line_errors(lambda: print(publish(args.checkpoint, args.out_dir)))()


if __name__ == '__main__':
    main()
