"""Checks the project on a GPU: what a user runs first on a new machine.

Runs from a source tree, in parts, most valuable first. Each part is a process
of its own and writes its rows at once, to results.jsonl and report.md in the
folder of --out. Started again, parts that passed are not run again. The exit
code is 1 if a part failed.

    stack      versions, card, mmcv's operators, bfloat16
    tests      tests marked gpu: CPU against GPU
    generator  training steps of the generators' configs for one GPU
    contrast   training steps of MoCo with a ResNet-50
    synthesis  windows per second, against diffusers' 1,000 DDPM steps
    detector   training steps of Faster R-CNN with bank and backbone
    full       with --full: the recipe end to end with AP, and runs of an
               experiment that share the card; takes hours, has no budget
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Seconds planned for each part, on a GPU and on one core.
PLAN = dict(
    stack=40, tests=90, generator=90, contrast=85, synthesis=90, detector=75
)
CPU_PLAN = dict(
    stack=30, tests=150, generator=80, contrast=60, synthesis=100, detector=60
)
FULL = 'full'
NEEDS_DATA = ('generator', 'contrast', 'synthesis', 'detector', FULL)
# What a process gets to end by itself, after its time.
GRACE = 10
# Less is not begun with: it would go into imports.
LEAST = 15


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--device',
        choices=('cuda', 'cpu'),
        help='default: cuda if there is a GPU. cpu runs the same with small '
        'sizes',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/check_gpu'),
        metavar='DIR',
        help='folder of results and logs (default: %(default)s)',
    )
    parser.add_argument(
        '--budget',
        type=float,
        default=480,
        metavar='SECONDS',
        help='parts that do not fit are listed as not run (default: '
        '%(default)g)',
    )
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='NEU-DET with its XML files; without it the stages see drawn '
        'images of the same size',
    )
    parser.add_argument(
        '--only', nargs='+', choices=(*PLAN, FULL), metavar='PART'
    )
    parser.add_argument(
        '--full', action='store_true', help='with the part full'
    )
    parser.add_argument(
        '--fresh', action='store_true', help='run finished parts again'
    )
    parser.add_argument('--part', help=argparse.SUPPRESS)
    parser.add_argument('--until', type=float, help=argparse.SUPPRESS)
    parser.add_argument('--screen', type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def find_device() -> str:
    """``'cuda'`` where torch sees a GPU; asked in another process."""
    code = 'import torch; print(torch.cuda.is_available())'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    return 'cuda' if done.stdout.strip() == 'True' else 'cpu'


def header(args: argparse.Namespace) -> dict:
    """What the results belong to."""
    commit = subprocess.run(
        ['git', 'rev-parse', '--short', 'HEAD'],
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout.strip()
    machine = f'{platform.machine()}, {os.cpu_count()} cores'
    if args.device == 'cuda':
        names = subprocess.run(
            ['nvidia-smi', '--query-gpu=name', '--format=csv,noheader'],
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        machine = f'{(names or ["unknown GPU"])[0]}, {machine}'
    return dict(
        kind='header',
        device=args.device,
        machine=machine,
        commit=commit or 'unknown',
        command=shlex.join(['python', *sys.argv]),
        time=time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime()),
    )


def run_child(
    args: argparse.Namespace, part: str, seconds: float | None
) -> int:
    """Runs a part in a process of its own; ends it when its time is over.

    Returns:
        int: Its exit code; negative if a signal ended it.
    """
    until = time.time() + (seconds or 10 * 365 * 86400)
    command = [
        *(sys.executable, __file__, '--part', part, '--until', str(until)),
        *('--device', args.device, '--out', str(args.out)),
    ]
    env = dict(os.environ)
    if args.device == 'cpu':
        env['CUDA_VISIBLE_DEVICES'] = ''
        env.setdefault('OMP_NUM_THREADS', '1')
    env.setdefault('TQDM_DISABLE', '1')
    logs = args.out / 'logs'
    logs.mkdir(parents=True, exist_ok=True)
    screen = os.dup(1)
    with (logs / f'{part}.log').open('w') as log:
        child = subprocess.Popen(
            [*command, '--screen', str(screen)],
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[screen],
            env=env,
            start_new_session=True,  # with its data loader's workers
        )
        try:
            return child.wait(seconds and seconds + GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(stop, KeyboardInterrupt):
                raise
            return -signal.SIGKILL
        finally:
            os.close(screen)


def main() -> int:
    args = parse_args()
    if not (ROOT / 'benchmarks' / 'gpu').is_dir():
        sys.exit('error: check_gpu.py runs from a source tree of the project')
    args.out = args.out.resolve()
    from benchmarks.gpu.results import (
        FAILED,
        NOT_RUN,
        PASSED,
        Results,
        write_report,
    )

    if args.part:
        from benchmarks.gpu.parts import run_part

        screen = os.fdopen(args.screen, 'w')
        results = Results(args.out, screen)
        fine = run_part(args.part, results, args.until, args.device, ROOT)
        return 0 if fine else 1

    begun = time.time()
    args.device = args.device or find_device()
    results = Results(args.out, sys.stdout)
    if args.fresh:
        shutil.rmtree(args.out / 'work', ignore_errors=True)
        results.file.unlink(missing_ok=True)
    new = header(args)
    for old in results.lines():
        if old['kind'] == 'header' and (
            old['device'],
            old['machine'],
        ) != (new['device'], new['machine']):
            print(
                f'error: {args.out} holds results of {old["machine"]} '
                f'({old["device"]}); use --fresh or another --out',
                file=sys.stderr,
            )
            return 2
    with results.file.open('a') as file:
        file.write(json.dumps(new) + '\n')
    parts = [p for p in (*PLAN, FULL) if not args.only or p in args.only]
    if FULL in parts and not (args.full or args.only):
        parts.remove(FULL)
    done = {p for p, x in results.parts().items() if x['state'] == PASSED}
    todo = [part for part in parts if part not in done]
    for part in parts:
        if part in done:
            print(f'{part}: passed before', flush=True)

    if any(part in NEEDS_DATA for part in todo):
        from benchmarks.gpu.data import prepare_data

        results.say('preparing data')
        work = args.out / 'work'
        what = prepare_data(ROOT, args.data, work)
        results.say(f'data: {what} ({time.time() - begun:.0f} s)')
    plan = CPU_PLAN if args.device == 'cpu' else PLAN
    for index, part in enumerate(todo):
        left = begun + args.budget - time.time()
        planned = sum(plan.get(p, 0) for p in todo[index:])
        seconds = None
        if part != FULL:
            # Time that others did not need is shared.
            share = left * plan[part] / planned
            seconds = min(left, max(plan[part], share)) - GRACE
            if seconds < LEAST:
                results.end_part(part, NOT_RUN, 0, 'no time left')
                print(f'{part}: not run, no time left', flush=True)
                continue
        print(
            f'[{time.time() - begun:.0f} s, {left:.0f} s left] {part}'
            + (f', at most {seconds:.0f} s' if seconds else ''),
            flush=True,
        )
        started = time.time()
        before = len(results.lines())
        code = run_child(args, part, seconds)
        told = any(
            x['kind'] == 'part' and x['part'] == part
            for x in results.lines()[before:]
        )
        if not told:
            log = args.out / 'logs' / f'{part}.log'
            tail = log.read_text(errors='replace')[-1500:]
            why = f'ended with {code} before it was done'
            took = time.time() - started
            results.end_part(part, FAILED, took, f'{why}\n{tail}')
        write_report(results, (*PLAN, FULL))
    report = write_report(results, (*PLAN, FULL))
    ended = results.parts()
    print()
    for part in parts:
        state = ended.get(part, dict(state=NOT_RUN, seconds=0))
        print(f'{part:10} {state["state"]:8} {state["seconds"]:6.0f} s')
    print(f'{time.time() - begun:.0f} s; {report}')
    failed = [p for p in parts if ended.get(p, {}).get('state') == FAILED]
    return 1 if failed else 0


if __name__ == '__main__':
    # From a source tree: the project is not installed.
    sys.path.insert(0, str(ROOT))
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
    sys.exit(main())
