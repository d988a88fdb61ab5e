#!/usr/bin/env python3
"""Makes the three sounds of Blotter: pop (a close is done), profit (a till), loss (two falling notes).

They are sums of decaying sines and a little noise from a fixed seed, so that running this again
gives the same files byte for byte. Needs nothing but Python's standard library:

    python3 assets/sounds/synthesise.py [FOLDER]
"""
import math
import pathlib
import random
import struct
import sys
import wave

RATE = 22_050
PEAK = 0.7


def silence(seconds):
    return [0.0] * int(RATE * seconds)


def add(track, start, samples):
    first = int(RATE * start)
    for index, sample in enumerate(samples):
        if first + index < len(track):
            track[first + index] += sample


def tone(frequency, seconds, decay, partials=((1, 1.0),), glide=0.0):
    """A struck tone: partials as (multiple, strength), pitch falling by `glide` of itself."""
    samples, phase = [], 0.0
    for index in range(int(RATE * seconds)):
        time = index / RATE
        phase += frequency * (1.0 - glide * time / seconds) / RATE
        attack = min(1.0, time / 0.004)
        value = sum(strength * math.sin(2 * math.pi * multiple * phase) for multiple, strength in partials)
        samples.append(attack * math.exp(-decay * time) * value)
    return samples


def rattle(seconds, decay, seed):
    noise = random.Random(seed)
    return [noise.uniform(-1, 1) * math.exp(-decay * index / RATE) for index in range(int(RATE * seconds))]


def pop():
    track = silence(0.14)
    add(track, 0.0, tone(520, 0.14, 42, ((1, 1.0), (2, 0.25)), glide=0.55))
    return track


def profit():
    track = silence(0.9)
    add(track, 0.00, [0.5 * sample for sample in rattle(0.05, 90, seed=7)])
    add(track, 0.06, [0.4 * sample for sample in rattle(0.04, 110, seed=8)])
    bell = ((1, 1.0), (2.76, 0.45), (5.4, 0.2))
    add(track, 0.10, tone(1568, 0.7, 7, bell))
    add(track, 0.19, tone(2093, 0.7, 6, bell))
    return track


def loss():
    track = silence(0.75)
    body = ((1, 1.0), (2, 0.35), (3, 0.12))
    add(track, 0.00, tone(330, 0.35, 8, body, glide=0.03))
    add(track, 0.22, tone(220, 0.5, 6, body, glide=0.06))
    return track


def write(path, track):
    peak = max(abs(sample) for sample in track)
    fade = int(RATE * 0.01)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        for index, sample in enumerate(track):
            left = min(1.0, (len(track) - index) / fade)
            out.writeframesraw(struct.pack("<h", round(sample / peak * PEAK * left * 32767)))


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name, make in (("pop", pop), ("profit", profit), ("loss", loss)):
        write(folder / f"{name}.wav", make())


if __name__ == "__main__":
    main()
