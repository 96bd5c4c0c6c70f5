"""The order of copies on a CUDA device's streams, with streams that only write down what they are asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from arc.recovery.streams import Streams

CUDA = torch.device("cuda", 0)


class Card:
    """Stands for ``torch.cuda``: what happens on which stream, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.now = "main"
        self.capturing = False
        card = self

        class Event:
            def synchronize(self) -> None:
                card.log.append("host waits")

        class Stream:
            def __init__(self, device: torch.device, name: str = "side") -> None:
                self.device, self.name = device, name

            def wait_stream(self, other: Any) -> None:
                card.log.append(f"{self.name} waits for {other.name}")

            def record_event(self) -> Event:
                card.log.append(f"event on {self.name}")
                return Event()

            def wait_event(self, event: Event) -> None:
                card.log.append(f"{self.name} waits for the event")

        @contextmanager
        def stream(other: Stream) -> Iterator[None]:
            card.now, before = other.name, card.now
            yield
            card.now = before

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "stream", stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(device, "main"))
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: card.capturing)

    def told(self) -> list[str]:
        told, self.log = self.log, []
        return told

    def host(self) -> Any:
        """What a copy is made into."""
        card = self

        class Host:
            def copy_(self, source: Any, non_blocking: bool) -> None:
                card.log.append(f"{card.now} copies {source.name}{'' if non_blocking else ' and waits'}")

        return Host()

    def source(self, name: str) -> Any:
        """A tensor on the device."""

        class Source:
            device = CUDA

            def __init__(self) -> None:
                self.name = name

            def record_stream(self, stream: Any) -> None:
                pass

        return Source()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(monkeypatch)


def test_a_round(card: Card) -> None:
    streams = Streams()
    for _ in range(2):  # the side stream is made in the first one
        streams.begin()
        streams.to_host(card.host(), card.source("buffer"), at_once=True)
        streams.to_host(card.host(), card.source("weight"))
        streams.to_host(card.host(), card.source("moment"))
        streams.end()
        assert card.told() == [
            "main copies buffer",
            "side waits for main",
            "side copies weight",
            "side copies moment",
            "event on side",
        ]
        streams.before_step()
        streams.before_step()
        assert card.told() == ["main waits for the event"]
        streams.finish()
        streams.finish()
        assert card.told() == ["host waits"]


def test_buffers_alone_are_waited_for(card: Card) -> None:
    streams = Streams()
    streams.begin()
    streams.to_host(card.host(), card.source("buffer"), at_once=True)
    streams.end()
    assert card.told() == ["main copies buffer", "side waits for main", "event on side"]
    streams.begin()  # the next round writes the same memory
    assert card.told() == ["main waits for the event", "host waits"]


def test_a_captured_step_waits_for_nothing_and_is_remembered(card: Card) -> None:
    streams = Streams()
    streams.begin()
    streams.to_host(card.host(), card.source("weight"))
    streams.end()
    card.told()
    card.capturing = True
    streams.before_step()
    assert card.told() == [] and streams.captured
    card.capturing = False
    streams.hold()
    assert card.told() == ["main waits for the event"]
