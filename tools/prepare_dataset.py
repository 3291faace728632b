"""Converts a data set to COCO json, or makes a demo data set."""

import argparse
from pathlib import Path

from mmdet_ddpm_moco.conversion.class_names import read_renames
from mmdet_ddpm_moco.conversion.convert import convert_dataset
from mmdet_ddpm_moco.conversion.formats import FORMATS
from mmdet_ddpm_moco.conversion.report import FindingsError, format_report
from mmdet_ddpm_moco.utils.cli import one_line_errors

# What the descriptions of all formats end with.
WRITTEN = """\
DST receives
  images/                links to the images (or copies, with --copy)
  annotations/           train.json, val.json, test.json, train_N.json for each
                         N of --few-shot, unlabeled.json for images without
                         a usable annotation (these may have defects)
  lists/                 the same as lists of file names
  report.json            options, counts and all findings

A split that SRC has is kept, unless --resplit, --ratio or --lists is given.
Drawn splits keep images that overlap or are copies of each other together;
splits of SRC and of --lists may separate them, and the report then counts and
names those of val and test. The same input and options give the same bytes."""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='See also the help of each format, %(prog)s voc --help say.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for name, fmt in FORMATS.items():
        parser_of_format = commands.add_parser(
            name,
            help=f'convert {fmt.TITLE}',
            description=f'Convert {fmt.TITLE} to COCO json.\n\n{fmt.LAYOUT}\n'
            + WRITTEN,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_conversion_options(parser_of_format)
        if fmt.MIN_AREA:
            parser_of_format.add_argument(
                '--min-area',
                type=float,
                default=fmt.MIN_AREA,
                metavar='PIXELS',
                help='drop and report pieces of a mask with fewer pixels '
                '(default: %(default)s)',
            )
    demo = commands.add_parser(
        'demo',
        help='make a small data set of synthetic metal plates',
        description='Make a small data set of synthetic metal plates with '
        'defects, to try everything without data of your own.',
    )
    demo.add_argument(
        'dst', type=Path, metavar='DST', help='where to write it'
    )
    demo.add_argument(
        '--seed', type=int, default=0, help='seed of the images (default: 0)'
    )
    return parser.parse_args()


def add_conversion_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that all formats have."""
    parser.add_argument('src', type=Path, metavar='SRC', help='the data set')
    parser.add_argument(
        'dst',
        type=Path,
        metavar='DST',
        help='where to write; voc and masks may write to SRC',
    )
    parser.add_argument(
        '--ratio',
        type=float,
        nargs=3,
        metavar=('TRAIN', 'VAL', 'TEST'),
        help='draw splits with these shares, met per class as closely as '
        'groups of near duplicates allow; at least 0, with sum 1 (default: '
        '0.7 0.1 0.2 if SRC has no split that can be kept)',
    )
    parser.add_argument(
        '--lists',
        type=Path,
        metavar='DIR',
        help='take the splits from DIR/train.txt and, if they exist, val.txt '
        'and test.txt instead of drawing them: one image a line, by its name '
        'in the COCO json, its file name or its stem; blank lines and lines '
        'that start with # are skipped. Labeled images that no list names '
        'are reported and go into no split. Not together with --ratio or '
        '--resplit',
    )
    parser.add_argument(
        '--resplit',
        action='store_true',
        help='draw splits although SRC has its own, as --ratio does too',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='seed of drawn splits and of the few-shot subsets (default: 0)',
    )
    parser.add_argument(
        '--few-shot',
        type=int,
        nargs='+',
        default=(),
        metavar='N',
        help='also write subsets of train with N images per class, each '
        'within the next larger one; an image counts for the class that '
        'covers most of it',
    )
    parser.add_argument(
        '--few-shot-groups',
        type=float,
        default=1.0,
        metavar='SHARE',
        help='take the images of --few-shot from at most this share of the '
        'groups of each class: several photographs of one part are hardly '
        'more than one (default: 1, any)',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='classes to keep, in the order of their ids (default: all, '
        'sorted by name)',
    )
    parser.add_argument(
        '--rename',
        nargs='+',
        default=(),
        metavar='OLD=NEW',
        help='other names for classes, or files with such a line for each: '
        'aliases, other languages. OLD= without a new name says that OLD is '
        'no class; its objects are dropped and reported',
    )
    parser.add_argument(
        '--group-near-duplicates',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='keep images that show the same piece of surface in one split, '
        'or report where given splits separate them (default: on)',
    )
    parser.add_argument(
        '--group-by',
        metavar='REGEX',
        help='regular expression that is found in the stem of the name of '
        'each image. Images from which its parentheses capture the same are '
        r"one group ('tile_(\d+)': tile_7_left, tile_7_right). Neighbors, "
        'which are compared for overlap, are those from which it captures '
        r"what is near in natural order ('num_(\d+)': exp2_num_88, "
        'exp1_num_93); without it, those whose names are',
    )
    parser.add_argument(
        '--strict',
        action='store_true',
        help='treat any finding as an error and write nothing',
    )
    parser.add_argument(
        '--copy',
        action='store_true',
        help='copy the images instead of linking to them',
    )


def convert(args: argparse.Namespace) -> None:
    """Converts a data set and shows the report."""
    try:
        report = convert_dataset(
            args.src,
            args.dst,
            args.command,
            ratio=args.ratio,
            lists=args.lists,
            resplit=args.resplit,
            seed=args.seed,
            few_shot=args.few_shot,
            few_shot_groups=args.few_shot_groups,
            classes=args.classes,
            rename=read_renames(args.rename),
            min_area=getattr(args, 'min_area', None),
            group_near_duplicates=args.group_near_duplicates,
            group_by=args.group_by,
            strict=args.strict,
            copy=args.copy,
        )
    except FindingsError as error:
        print(format_report(error.report))
        raise
    print(format_report(report))
    print(f'\nWritten to {args.dst}; all findings are in report.json there.')


def make_demo(args: argparse.Namespace) -> None:
    """Makes the demo data set."""
    from mmdet_ddpm_moco.demo.plates import make_demo_set

    make_demo_set(args.dst, args.seed)
    print(f'Written to {args.dst}.')


@one_line_errors
def main() -> None:
    args = parse_args()
    if args.command == 'demo':
        make_demo(args)
    else:
        convert(args)


if __name__ == '__main__':
    main()
