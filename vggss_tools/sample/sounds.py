"""The twelve sounds of the sample world, synthesised.

Every function draws one new instance (pitch, tempo, timbre and playing from ``rng``) of ten
seconds at 16 kHz, without long pauses: any three seconds hold clear sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Wave = NDArray[np.float32]

RATE = 16_000
LENGTH = 10 * RATE
CENTRE = slice(56_000, 104_000)  # 3.5 .. 6.5 s, the three seconds that a benchmark hears


def _time(seconds: float) -> Wave:
    return np.arange(int(seconds * RATE), dtype=np.float32) / np.float32(RATE)


def _add(out: Wave, start: float, wave: Wave) -> None:
    first = int(start * RATE)
    if first >= len(out):
        return
    if first < 0:
        wave, first = wave[-first:], 0
    wave = wave[: len(out) - first]
    out[first : first + len(wave)] += wave


def _colour(wave: Wave, gain: Callable[[NDArray], NDArray]) -> Wave:
    """Filter: multiply the spectrum by ``gain(frequency in Hz)``."""
    spectrum = np.fft.rfft(wave)
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    return np.fft.irfft(spectrum * gain(frequency), len(wave)).astype(np.float32)


def _band(low: float, high: float, slope: float = 2.0) -> Callable[[NDArray], NDArray]:
    def gain(frequency: NDArray) -> NDArray:
        f = np.maximum(frequency, 1.0)
        return 1 / (1 + (low / f) ** (2 * slope)) / (1 + (f / high) ** (2 * slope))

    return gain


def _noise(rng: Rng, n: int) -> Wave:
    return rng.standard_normal(n, dtype=np.float32)


def _harmonics(phase: NDArray, weights: Sequence[float]) -> Wave:
    """Sum of sines at whole multiples of ``phase`` (radians of the fundamental).

    By the Chebyshev recurrence sin((k+1)x) = 2 cos(x) sin(kx) - sin((k-1)x): two evaluations of a
    sine, whatever the number of harmonics.
    """
    x = np.asarray(np.mod(phase, 2 * np.pi), np.float32)
    before, now = np.zeros_like(x), np.sin(x)
    twice = 2 * np.cos(x)
    out = np.float32(weights[0]) * now
    for weight in weights[1:]:
        before, now = now, twice * now - before
        out += np.float32(weight) * now
    return out


def _phase(frequency: NDArray) -> NDArray[np.float64]:
    return 2 * np.pi * np.cumsum(frequency, dtype=np.float64) / RATE


def _fade(n: int, attack: float, release: float) -> Wave:
    t = np.arange(n, dtype=np.float32) / RATE
    rise = np.clip(t / attack, 0, 1)
    fall = np.clip((n / RATE - t) / release, 0, 1)
    return (rise * fall).astype(np.float32)


def church_bell(rng: Rng) -> Wave:
    """Strikes of a bell: inharmonic partials, the low ones ring longest."""
    strike_note = rng.uniform(420, 720)
    ratios = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.51, 3.01, 4.17, 5.43]) * rng.uniform(
        0.992, 1.008, 9
    )
    levels = np.array([0.5, 0.7, 0.7, 0.4, 1.0, 0.6, 0.6, 0.5, 0.35]) * rng.uniform(0.7, 1.3, 9)
    t = _time(3.5)
    decay = rng.uniform(1.0, 2.2) / ratios**0.7
    ring = sum(
        level * np.exp(-t / tau) * np.sin(np.float32(2 * np.pi * f * strike_note) * t)
        for f, level, tau in zip(ratios, levels, decay.astype(np.float32), strict=True)
    ).astype(np.float32)
    ring *= np.clip(t / 0.004, 0, 1)
    out = np.zeros(LENGTH, np.float32)
    every = rng.uniform(0.6, 1.3)
    start = -rng.uniform(0, every)
    while start < 10:
        _add(out, start + rng.uniform(-0.04, 0.04), ring * np.float32(rng.uniform(0.75, 1)))
        start += every
    return out


def siren(rng: Rng) -> Wave:
    """A rising and falling horn: wail, yelp or two tones."""
    t = _time(10)
    low, high = rng.uniform(550, 700), rng.uniform(1200, 1500)
    style = rng.integers(3)
    period = (rng.uniform(1.8, 3.5), rng.uniform(0.3, 0.55), rng.uniform(0.7, 1.3))[style]
    turn = t / period + rng.uniform()
    if style == 2:
        sweep = np.clip(6 * np.sin(2 * np.pi * turn), -1, 1) * 0.25 + 0.35
    else:
        sweep = 0.5 - 0.5 * np.cos(2 * np.pi * turn)
    phase = _phase(low * (high / low) ** sweep)
    fall = rng.uniform(0.5, 0.8)  # an overdriven horn
    return _harmonics(phase, [1 / k**fall for k in range(1, 6)])


def snare_drum(rng: Rng) -> Wave:
    """Rolls and strokes: a short low tone and the rattle of the wires."""
    out = np.zeros(LENGTH, np.float32)
    t = _time(0.3)
    head = rng.uniform(160, 240)
    tone = np.exp(-t / 0.05) * np.sin(2 * np.pi * head * t * (1 + 0.3 * np.exp(-t / 0.02)))
    rattle = rng.uniform(0.05, 0.11)
    wires = _colour(_noise(rng, len(t) * 4), _band(rng.uniform(900, 1600), 7000, 1.5))
    wires /= wires.std()
    step = 60 / rng.uniform(90, 150) / 4
    pattern = rng.uniform(size=16) < 0.55
    pattern[[0, 4, 8, 12]] = True
    accents = np.where(rng.uniform(size=16) < 0.35, 1.0, 0.5)
    for k in range(int(10 / step) + 1):
        if not pattern[k % 16]:
            continue
        cut = int(rng.integers(3 * len(t)))
        hit = 0.6 * np.exp(-t / rattle) * wires[cut : cut + len(t)] + 0.6 * tone
        level = accents[k % 16] * rng.uniform(0.8, 1)
        _add(out, k * step, (level * hit).astype(np.float32))
        if rng.uniform() < 0.25:  # a drag
            _add(out, (k + 0.5) * step, (0.4 * level * hit).astype(np.float32))
    return out


_SCALES = ((0, 2, 4, 5, 7, 9, 11, 12), (0, 2, 3, 5, 7, 8, 10, 12), (0, 2, 4, 7, 9, 12, 14, 16))


def _melody(
    rng: Rng, root: float, shortest: float, longest: float
) -> list[tuple[float, float, float]]:
    """Notes ``(start, length, frequency)`` of a walk on a scale that fills ten seconds."""
    scale = _SCALES[rng.integers(len(_SCALES))]
    notes, start, step = [], -rng.uniform(0, shortest), int(rng.integers(len(scale)))
    beat = rng.uniform(shortest, longest) / 2
    while start < 10:
        length = beat * rng.choice([1, 2, 2, 3])
        notes.append((start, length, root * 2 ** (scale[step] / 12)))
        step = int(np.clip(step + rng.choice([-2, -1, -1, 1, 1, 2]), 0, len(scale) - 1))
        start += length
    return notes


def violin(rng: Rng) -> Wave:
    """A bowed line: many harmonics, vibrato, notes that slide into each other."""
    root = rng.choice([220.0, 261.6, 293.7, 329.6, 392.0]) * rng.uniform(0.97, 1.03)
    frequency = np.empty(LENGTH, np.float64)
    bow = np.empty(LENGTH, np.float32)
    for start, length, pitch in _melody(rng, root, 0.5, 1.1):
        a, b = max(0, int(start * RATE)), min(LENGTH, int((start + length) * RATE))
        frequency[a:b] = pitch
        if b > a:
            bow[a:b] = 0.55 + 0.45 * np.sin(np.pi * np.linspace(0.08, 0.95, b - a))
    frequency = _smooth(frequency, 0.03)
    t = _time(10)
    depth = rng.uniform(0.006, 0.014)
    vibrato = 1 + depth * np.sin(2 * np.pi * rng.uniform(5, 6.8) * t + rng.uniform(0, 6))
    # Up to where they would fold back.
    count = min(16, int(0.45 * RATE / frequency.max()))
    weights = [1 / k for k in range(1, count + 1)]
    wave = _harmonics(_phase(frequency * vibrato), weights) * _smooth(bow, 0.02).astype(np.float32)
    wave += 0.04 * _noise(rng, LENGTH)
    peaks = rng.uniform(0.9, 1.1, 4) * (460, 800, 2300, 3200)

    def body(f: NDArray) -> NDArray:
        bumps = sum(np.exp(-(((f - peak) / (0.22 * peak)) ** 2)) for peak in peaks)
        return (0.25 + bumps) / (1 + (180 / np.maximum(f, 1)) ** 4) / (1 + (f / 5500) ** 4)

    return _colour(wave, body)


def _smooth(wave: NDArray, seconds: float) -> NDArray:
    """Moving average, with the ends held."""
    n = int(seconds * RATE) | 1
    padded = np.concatenate([np.full(n // 2 + 1, wave[0]), wave, np.full(n // 2, wave[-1])])
    total = np.cumsum(padded, dtype=np.float64)
    return (total[n:] - total[:-n]) / n


def trumpet(rng: Rng) -> Wave:
    """Tongued brass notes: the harmonics open as the tone gets louder."""
    out = np.zeros(LENGTH, np.float32)
    root = rng.choice([261.6, 293.7, 349.2, 392.0]) * rng.uniform(0.97, 1.03)
    edge = rng.uniform(1500, 2000)
    for start, length, pitch in _melody(rng, root, 0.35, 0.8):
        n = int(length * 0.92 * RATE)
        t = np.arange(n, dtype=np.float32) / RATE
        scoop = 1 - 0.03 * np.exp(-t / 0.02)
        phase = _phase(pitch * scoop)
        k = np.arange(1, 15)
        formant = np.exp(-(((k * pitch - edge) / 900) ** 2)) + 0.3 * np.exp(-k * pitch / 700)
        bright = _harmonics(phase, formant.tolist())
        dull = _harmonics(phase, [1, 0.5, 0.2])
        swell = np.clip(t / 0.05, 0, 1) * (0.7 + 0.3 * np.exp(-t / 0.15))
        note = (swell**2 * bright + 0.25 * swell * dull) * _fade(n, 0.015, 0.05)
        _add(out, start, note.astype(np.float32))
    return out


def harp(rng: Rng) -> Wave:
    """Plucked strings in arpeggios: a sharp start, the high harmonics die first."""
    out = np.zeros(LENGTH, np.float32)
    root = rng.uniform(130, 220)
    chord = np.array(
        [(0, 4, 7, 12, 16, 19, 24), (0, 3, 7, 12, 15, 19, 24), (0, 5, 7, 12, 17, 19, 24)][
            rng.integers(3)
        ]
    )
    pluck = rng.uniform(0.12, 0.4)
    ring = rng.uniform(0.5, 0.9)
    step = rng.uniform(0.16, 0.3)
    t = _time(1.6)
    strings = {}
    start, k, climb = -rng.uniform(0, step), 0, int(rng.integers(3))
    while start < 10:
        k += 1
        order = (k % 7, abs(k % 12 - 6), int(rng.integers(7)))[climb]
        if order not in strings:
            pitch = root * 2 ** (chord[order] / 12)
            n = np.arange(1, max(2, min(12, int(7000 / pitch)) + 1))
            decay = ring / (1 + 0.25 * n**1.3) / (pitch / 260) ** 0.4
            strings[order] = sum(
                np.float32(np.sin(np.pi * m * pluck) / m)
                * np.exp(-t / np.float32(tau))
                * np.sin(np.float32(2 * np.pi * pitch * m) * t)
                for m, tau in zip(n, decay, strict=True)
            ) * np.clip(t / 0.002, 0, 1)
        _add(out, start, strings[order] * np.float32(rng.uniform(0.6, 1)))
        start += step * rng.choice([1, 1, 1, 2])
    return out


def helicopter(rng: Rng) -> Wave:
    """The chop of rotor blades over the hiss of a turbine."""
    t = _time(10)
    rate = rng.uniform(9, 15)
    turn = rate * t + 0.2 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t)
    saw = np.mod(turn, 1).astype(np.float32)
    chop = np.exp(-saw * np.float32(rng.uniform(4, 8))) * np.clip(saw / 0.06, 0, 1)
    wind = _colour(_noise(rng, LENGTH), _band(90, rng.uniform(700, 1300), 1.2))
    wind /= wind.std()
    hiss = _colour(_noise(rng, LENGTH), _band(1500, 5000))
    thump = np.sin(2 * np.pi * rng.uniform(2, 3) * turn) * chop
    whine = np.sin(2 * np.pi * rng.uniform(1400, 2600) * t)
    return (wind * (0.12 + chop) + 0.8 * thump + 0.1 * hiss / hiss.std() + 0.04 * whine).astype(
        np.float32
    )


def car_engine(rng: Rng) -> Wave:
    """An engine at idle: firing pulses that ring low in the exhaust, ticking valves."""
    t = _time(10)
    rate = rng.uniform(20, 32)
    hunt = 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(0.2, 0.8) * t + rng.uniform(0, 6))
    phase = _phase(rate * hunt)
    order = np.arange(1, 14)
    weights = rng.uniform(0.4, 1, 13) * np.exp(
        -(((order * rate - rng.uniform(80, 140)) / 110) ** 2)
    )
    rumble = _harmonics(phase, weights.tolist())
    rumble += 0.6 * _harmonics(phase / 2, rng.uniform(0.0, 0.5, 8).tolist())
    pulse = np.exp(-np.mod(phase / (2 * np.pi), 1) * 5).astype(np.float32)
    breath = _colour(_noise(rng, LENGTH), _band(120, rng.uniform(350, 600), 1.5))
    tick = _colour(_noise(rng, LENGTH), _band(2500, 5000))
    return (
        rumble + 0.7 * pulse * breath / breath.std() + 0.05 * pulse**3 * tick / tick.std()
    ).astype(np.float32)


def canary(rng: Rng) -> Wave:
    """Phrases of whistled trills: each repeats one quick sweep."""
    out = np.zeros(LENGTH, np.float32)
    start = -rng.uniform(0, 0.3)
    while start < 10:
        low, span = rng.uniform(3600, 4800), rng.uniform(-1200, 1400)
        length, repeats = rng.uniform(0.04, 0.12), int(rng.integers(6, 16))
        t = _time(length)
        share = t / length
        bend = rng.uniform(-0.4, 0.4)
        sweep = low + span * (share + bend * share * (1 - share))
        chirp = np.sin(_phase(sweep)) * np.sin(np.pi * share) ** 0.7
        gap = length * rng.uniform(1.15, 1.6)
        level = rng.uniform(0.6, 1)
        for _ in range(repeats):
            _add(out, start, (level * chirp).astype(np.float32))
            start += gap
        start += rng.uniform(0.04, 0.15)
    return out


def owl(rng: Rng) -> Wave:
    """Hoots: soft, low, nearly pure tones in a rhythm of its own."""
    out = np.zeros(LENGTH, np.float32)
    pitch = rng.uniform(270, 420)
    rhythm = ((0.35, 0.3), (0.16, 0.22, 0.5), (0.45,), (0.12, 0.12, 0.4, 0.4))[rng.integers(4)]
    start = -rng.uniform(0, 0.5)
    while start < 10:
        for length in rhythm:
            n = int(length * rng.uniform(0.9, 1.1) * RATE)
            share = np.linspace(0, 1, n)
            glide = 1 + 0.06 * np.sin(np.pi * share) - 0.05 * share
            tone = _harmonics(_phase(pitch * glide), [1, 0.08, 0.03])
            breath = 0.015 * _noise(rng, n)
            _add(out, start, ((tone + breath) * np.sin(np.pi * share) ** 0.8).astype(np.float32))
            start += length + rng.uniform(0.06, 0.16)
        start += rng.uniform(0.15, 0.6)
    return out


def alarm_clock(rng: Rng) -> Wave:
    """A hammer between two small bells, or the beeps of a buzzer."""
    t = _time(10)
    if rng.uniform() < 0.65:
        rate = rng.uniform(14, 24)
        beat = np.mod(rate * t, 1).astype(np.float32)
        ring = np.zeros(LENGTH, np.float32)
        for pitch in rng.uniform(2000, 2900, 2):
            for ratio, level in ((1, 1), (1.52, 0.6), (2.27, 0.4)):
                if pitch * ratio < 7600:
                    ring += np.float32(level) * np.sin(np.float32(2 * np.pi * pitch * ratio) * t)
        return ring * (0.3 + np.exp(-beat * 3))
    pitch = rng.uniform(2000, 2600)
    tone = _harmonics(2 * np.pi * pitch * t, [1, 0.1, 0.3])
    beep = rng.uniform(0.06, 0.11)
    slot = np.mod(t, 10 * beep)
    on = (np.mod(slot, 2 * beep) < beep) & (slot < 8 * beep)
    return (tone * _smooth(on, 0.004)).astype(np.float32)


def dog(rng: Rng) -> Wave:
    """Barks: a voice that leaps up and drops, rough, through a mouth that opens and shuts."""
    out = np.zeros(LENGTH, np.float32)
    voice = rng.uniform(260, 560)
    mouth = rng.uniform(750, 1250)
    length = rng.uniform(0.14, 0.24)
    k = np.arange(1, 11)
    start = -rng.uniform(0, 0.4)
    while start < 10:
        for _ in range(rng.integers(1, 4)):
            n = int(length * rng.uniform(0.85, 1.15) * RATE)
            share = np.linspace(0, 1, n)
            pitch = voice * rng.uniform(0.95, 1.05) * (0.65 + 0.6 * np.sin(np.pi * share**0.6))
            shape = (
                np.exp(-(((k * voice - mouth) / 550) ** 2))
                + 0.25 * np.exp(-(((k * voice - 2600) / 700) ** 2))
                + 0.05
            )
            bark = _harmonics(_phase(pitch), shape.tolist())
            rough = _noise(rng, n) * np.float32(0.35)
            envelope = np.clip(share / 0.08, 0, 1) * (1 - share) ** 0.6
            _add(out, start, ((bark + rough) * envelope).astype(np.float32))
            start += length + rng.uniform(0.08, 0.16)
        start += rng.uniform(0.1, 0.45)
    return out


def record(rng: Rng, synthesise: Callable[[Rng], Wave]) -> Wave:
    """Put a sound over background noise, at a level: float32, within -1..1.

    The noise has a colour from nearly white to brown and lies 8 to 26 dB under the sound, measured
    over the centre three seconds.
    """
    wave = synthesise(rng)
    if rng.uniform() < 0.5:  # a room
        echo = int(rng.uniform(0.02, 0.09) * RATE)
        tail = np.zeros_like(wave)
        for bounce, gain in ((1, 0.3), (2, 0.15), (3, 0.08)):
            tail[bounce * echo :] += np.float32(gain) * wave[: -bounce * echo]
        wave = wave + tail
    slope = rng.uniform(0.35, 1)
    floor = rng.uniform(40, 150)
    ground = _colour(_noise(rng, LENGTH), lambda f: 1 / np.maximum(f / floor, 1) ** slope)
    snr = rng.uniform(8, 26)
    loud = np.sqrt(np.mean(wave[CENTRE] ** 2))
    ground *= np.float32(loud / np.sqrt(np.mean(ground[CENTRE] ** 2)) * 10 ** (-snr / 20))
    wave = wave + ground
    return (wave * np.float32(rng.uniform(0.25, 0.95) / np.abs(wave).max())).astype(np.float32)
