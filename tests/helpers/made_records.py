"""A bank of two blocks of four windows, without a generator."""

import numpy as np

from mmdet_ddpm_moco.bank.lock import bank_lock
from mmdet_ddpm_moco.bank.writer import BankWriter

SETTINGS = dict(
    generator='abc',
    sampler=dict(name='dpmsolver++', steps=2, strength=0.6),
    max_window=32,
    mix=dict(add=0.5, replaces=0.5),
    seed=0,
    training_split=dict(ann_file='train.json', sha256='0' * 64),
    classes=['dent', 'Öse'],
)


def record(number, kind='add', label=0, rejected=None, **changes):
    """A window of 12 x 10 pixels at (4, 6) with a defect of 5 x 3."""
    null = kind == 'null'
    return {
        'number': number,
        'kind': kind,
        'label': 2 if null else label,
        'source': f'strip/{number % 2}.png',
        'window': [4, 6, 12, 10],
        'box': [0, 0, 0, 0] if null else [7, 8, 5, 3],
        'replaces': 77 if kind == 'replaces' else None,
        'rejected': rejected,
        **changes,
    }


def picture(number, size=(12, 10)):
    rng = np.random.RandomState(number)
    return rng.randint(0, 256, (size[1], size[0], 4)).astype(np.uint8)


def pictures_of(records):
    return [None if r['rejected'] else picture(r['number']) for r in records]


def blocks():
    """Two blocks of four windows; numbers 1 and 5 are rejected."""
    kinds = ['add', 'replaces', 'null', 'add']
    return [
        [
            record(
                4 * block + i,
                kind,
                label=i % 2,
                rejected='nothing visible' if i == 1 else None,
            )
            for i, kind in enumerate(kinds)
        ]
        for block in range(2)
    ]


def write(root, num=5, settings=SETTINGS, order=(0, 1)):
    writer = BankWriter(root, settings)
    with bank_lock(root, settings):
        for block in order:
            records = blocks()[block]
            writer.write_block(block, records, pictures_of(records))
        return writer.close(num)


def started_and_written(root):
    writer = BankWriter(root, SETTINGS)
    for block, records in enumerate(blocks()):
        writer.write_block(block, records, pictures_of(records))
    return writer
