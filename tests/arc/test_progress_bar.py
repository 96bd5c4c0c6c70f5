"""The bar: rate and time left on a terminal, silence elsewhere."""

import io

from arc.view.progress_bar import Bar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _drawn(stream: io.StringIO) -> str:
    seconds = iter(range(0, 1000, 2))
    bar = Bar(20, "try", "epochs", stream, clock=lambda: next(seconds))
    for _ in range(20):
        bar.tick()
    return stream.getvalue()


def test_a_terminal_sees_rate_and_time_left() -> None:
    lines = _drawn(_Terminal()).split("\r")[1:]
    assert "10/20 epochs 0.5/s 0:20 left" in lines[9] and lines[9].count("#") == 12
    assert lines[-1].endswith("20/20 epochs 0.5/s 0:00 left\n")
    assert max(map(len, lines)) <= 80


def test_a_pipe_sees_nothing() -> None:
    assert _drawn(io.StringIO()) == ""
