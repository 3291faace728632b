"""Writes a feature extractor for mmagic's FID and IS.

The file is a TorchScript module, for their inception_path with
inception_style='StyleGAN'; nothing is downloaded.
"""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.utils.cli import one_line_errors
from mmdet_ddpm_moco.utils.requirements import check_module


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'extractor',
        help="'lite0' (EfficientNet-Lite0 of ImageNet), a backbone.pth, which "
        "has features for FID only, or the weights of FID's Inception network",
    )
    parser.add_argument('out', metavar='OUT.pt', type=Path)
    return parser.parse_args()


def export(source: str, out: Path) -> Path:
    check_module('torch_fidelity')
    # Not at the top: what is missing is to be said in one line.
    from mmdet_ddpm_moco.evaluation.features import choose_extractor
    from mmdet_ddpm_moco.interop.extractor_file import export_extractor

    return export_extractor(choose_extractor(source), out)


def main() -> None:
    args = parse_args()
    one_line_errors(lambda: print(export(args.extractor, args.out)))()


if __name__ == '__main__':
    main()
