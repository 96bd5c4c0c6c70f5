"""``python -m arc replay|watch|info|try``: the controller on the command line.

Exit codes: 0 done, 2 what cannot be done (one line on standard error says why), 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arc.controller import Controller

PLOT_HINT = "no figure: pip install 'arc-lr[plot]'"

COSTS: Final = """## What it costs

Of a call of step(), by the parameters that are trained (float32, AdamW, on the host):

| parameters                                   |    1 M |   10 M |  100 M |
|----------------------------------------------|-------:|-------:|-------:|
| how the weights moved                        |   2 ms |  12 ms | 130 ms |
| a copy of weights and optimizer state        |   2 ms |  15 ms | 150 ms |
| host memory for two copies                   |  24 MB | 240 MB | 2.4 GB |

The copies are for the way back; rollback=False keeps none. A call without them takes 2 to 3 ms
for the network and the history, a record 0.4 us for a number and 2.6 us for a tensor on a device,
which nothing waits for; the network and its history take 1 MB.
Measured in CPU time on one core of an AMD EPYC that did other work, 28 November 2026:
python -m benchmarks.controller, python -m benchmarks.rescue. Not yet measured on a GPU.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 and one line on standard error for what cannot be done, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # | head
        sys.stderr.close()
        return 0
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m arc", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="replay|watch|info|try")

    replay = commands.add_parser("replay", help="what the controller would have done on a saved log")
    replay.add_argument("log", help="CSV, JSONL, trainer_state.json, TensorBoard event file, or their folder")
    replay.add_argument(
        "--period", type=int, help="calls (epochs) per decision, default 3 or ARC's own log's"
    )
    replay.add_argument("--policy", help="default or paper; by default default, or what ARC's own log says")
    replay.add_argument("--train-loss", help="name of the training loss in the log")
    replay.add_argument("--val-loss", help="name of the validation loss in the log")
    replay.add_argument("--lr-name", help="name of the LR in the log")
    replay.add_argument("--lr", type=float, help="the run's LR, if the log has none")
    replay.set_defaults(command=_replay)

    watched = commands.add_parser("watch", help="follow a run: a line per call, and a page for the browser")
    watched.add_argument("directory", type=Path, help="the run's log_dir")
    watched.add_argument("--once", action="store_true", help="say and draw what is there, and end")
    watched.set_defaults(command=_watch)

    info = commands.add_parser("info", help="the model card of a controller, and what it costs")
    info.add_argument(
        "path", nargs="?", help="a controller directory or owner/name on the hub; default: the shipped one"
    )
    info.set_defaults(command=_info)

    trial = commands.add_parser("try", help="the controller against constant LRs, in about a minute")
    trial.add_argument("--lr", type=float, help="one initial LR; default: six over five decades")
    trial.add_argument("--epochs", type=int, default=30, help="epochs of each run, default 30")
    trial.set_defaults(command=_try)

    for command, figure in ((replay, "replay.png"), (trial, "try.png")):
        command.add_argument("--controller", help="a controller directory, default: the shipped one")
        command.add_argument("--figure", type=Path, default=Path(figure), help=f"default {figure}")
    return parser


def _replay(options: argparse.Namespace) -> None:
    from arc.view import journal
    from arc.view.replay import table, width
    from arc.view.reproduce import reproduce

    named = (options.train_loss, options.val_loss, options.lr_name, options.lr)
    if journal.is_log(options.log) and named == (None,) * len(named):
        controller, said = reproduce(
            journal.read(options.log), path=options.controller, period=options.period, policy=options.policy
        )
    else:
        controller, said = _replayed(options)
    print(table(controller.decisions, width=width()))
    print("\n".join(said))
    try:
        controller.plot(options.figure)
        print(f"figure: {options.figure}")
    except ImportError:
        print(PLOT_HINT)


def _replayed(options: argparse.Namespace) -> tuple[Controller, list[str]]:
    from arc.view import logs
    from arc.view.replay import replay

    calls = logs.calls(
        logs.read(options.log), train_loss=options.train_loss, val_loss=options.val_loss, lr=options.lr_name
    )
    controller = replay(
        calls,
        path=options.controller,
        period=3 if options.period is None else options.period,
        policy=options.policy or "default",
        lr=options.lr,
    )
    return controller, [f"{len(calls)} calls, {len(controller.decisions)} decisions"]


def _watch(options: argparse.Namespace) -> None:
    from arc.view.replay import width
    from arc.view.watch import final_page, watch

    try:
        watch(
            options.directory,
            say=lambda line: print(line, flush=True),
            follow=not options.once,
            width=width(),
        )
    except KeyboardInterrupt:  # the usual end of looking; the run goes on
        final_page(options.directory)


def _info(options: argparse.Namespace) -> None:
    from arc.network import hub, weights

    print(weights.read_card(options.path and hub.folder(options.path)))
    print(COSTS, end="")


def _try(options: argparse.Namespace) -> None:
    from importlib.util import find_spec

    from arc.view.try_out import SWEPT, compare

    if options.epochs < 1:
        raise ValueError(f"got --epochs {options.epochs}, need at least 1")
    drawable = find_spec("matplotlib") is not None
    compare(
        lrs=SWEPT if options.lr is None else [options.lr],
        epochs=options.epochs,
        path=options.controller,
        figure=options.figure if drawable else None,
        say=lambda line: print(line, flush=True),
    )
    if not drawable:
        print(PLOT_HINT)


if __name__ == "__main__":
    sys.exit(main())
