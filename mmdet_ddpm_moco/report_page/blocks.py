"""What a section of the page is made of; the template draws each kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

Cell = str | int | float | None


@dataclass(frozen=True)
class Note:
    """A sentence, such as what is missing."""

    kind: ClassVar[str] = 'note'
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = 'facts'
    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Table:
    """A table that sorts by each of its columns."""

    kind: ClassVar[str] = 'table'
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 1  # of floats, after the point


@dataclass(frozen=True)
class Code:
    """Command lines."""

    kind: ClassVar[str] = 'code'
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """An embedded picture, which enlarges."""

    kind: ClassVar[str] = 'picture'
    uri: str  # data:image/...;base64,...
    caption: str
    width: int  # pixels
    height: int


@dataclass(frozen=True)
class Line:
    """A line of a chart, in its coordinates."""

    name: str
    points: str  # of an SVG polyline
    last: str  # its last value; '' where that says nothing


@dataclass(frozen=True)
class Tick:
    """A mark of an axis."""

    at: float  # place along the axis, in the chart's coordinates
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines over common axes, drawn as SVG."""

    kind: ClassVar[str] = 'chart'
    title: str
    x_label: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


Block = Note | Facts | Table | Code | Picture | Chart


@dataclass(frozen=True)
class Section:
    """A heading and what is under it."""

    title: str
    anchor: str
    blocks: list[Block] = field(default_factory=list)
