"""Agents can be told apart by their hues, also by people who see colors otherwise, on a dark ground and a light one."""

from __future__ import annotations

from itertools import combinations
from math import dist

import pytest

from headwater.terminal.dashboard.palette import BASIC_HUES, HUES, hue

RGB = tuple[float, float, float]
Matrix = tuple[RGB, RGB, RGB]

# How someone who lacks one kind of cone sees linear light: Machado, Oliveira and Fernandes, "A Physiologically-based
# Model for Simulation of Color Vision Deficiency", 2009, at full severity.
SEEN: dict[str, Matrix] = {
    "trichromacy": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

APART = 15.0
"""The distance of two colors in CIELAB, of which about 2 can just be seen side by side."""

CONTRAST = 3.0
"""What the WCAG ask of bold letters and of graphics."""

GROUNDS: dict[str, RGB] = {"black": (0, 0, 0), "a dark theme": (0.051, 0.067, 0.09), "white": (1, 1, 1)}


def linear(number: int) -> RGB:
    """One of the colors 16 to 231 as linear light: six steps of each of red, green and blue."""
    steps = (0, 95, 135, 175, 215, 255)
    red, green, blue = (light(steps[(number - 16) // size % 6] / 255) for size in (36, 6, 1))
    return red, green, blue


def light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def seen(color: RGB, by: str) -> RGB:
    red, green, blue = (
        min(max(sum(part * value for part, value in zip(row, color, strict=True)), 0.0), 1.0) for row in SEEN[by]
    )
    return red, green, blue


def lab(color: RGB) -> RGB:
    """Linear light in CIELAB, whose distances are about those that people see (white D65)."""
    red, green, blue = color
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
            luminance(color),
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def luminance(color: RGB) -> float:
    return 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2]


@pytest.mark.parametrize("by", SEEN)
def test_hues_are_apart_however_they_are_seen(by: str) -> None:
    colors = {number: lab(seen(linear(number), by)) for number in HUES}
    near = {(one, other): dist(colors[one], colors[other]) for one, other in combinations(HUES, 2)}
    assert min(near.values()) >= APART, min(near, key=lambda pair: near[pair])


def test_the_measure_finds_indistinguishable_colors() -> None:
    red, green = lab(seen(linear(160), "deuteranopia")), lab(seen(linear(64), "deuteranopia"))
    assert dist(red, green) < APART < dist(lab(linear(160)), lab(linear(64)))


@pytest.mark.parametrize("ground", GROUNDS)
def test_hues_can_be_read_on_every_ground(ground: str) -> None:
    red, green, blue = map(light, GROUNDS[ground])
    behind = luminance((red, green, blue))
    for number in HUES:
        darker, lighter = sorted((behind, luminance(linear(number))))
        assert (lighter + 0.05) / (darker + 0.05) >= CONTRAST, number


def test_the_first_agents_have_unique_hues_and_then_they_repeat() -> None:
    codes = [hue(number, many=True) for number in range(len(HUES))]
    assert len(set(codes)) == len(HUES)
    assert hue(len(HUES), many=True) == codes[0] == "38;5;105"
    assert [hue(number, many=False) for number in range(len(BASIC_HUES))] == ["36", "35", "33", "34", "32"]
