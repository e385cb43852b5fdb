"""Figure 5 as a page: one frame, several sounds, and the map of the sound that is played.

Maps travel as their few cells, one byte each, and the page itself enlarges and colours them, so 100
moments of a 14 x 14 map take 26 KB where 100 pictures would take megabytes.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>One frame, several sounds</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.3rem; }
  section { margin: 0 0 3rem; }
  .views { display: flex; flex-wrap: wrap; gap: 1rem; }
  figure { margin: 0; flex: 0 1 20rem; }
  canvas { width: 100%; border-radius: 4px; display: block; }
  fieldset { border: 0; padding: 0; margin: 1rem 0; }
  legend { padding: 0; font-weight: 600; }
  .sound { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1rem; }
  .sound label { min-width: 12rem; }
  audio { height: 2.2rem; max-width: 100%; }
</style>
<h1>One frame, several sounds</h1>
<p>Play a sound, or choose it: the map shows where in the frame it is heard. Each map is scaled by
its own smallest and largest value over the whole sound.</p>
<main></main>
<script type="application/json" id="scenes">SCENES</script>
<script>
const scenes = JSON.parse(document.getElementById("scenes").textContent);
const colours = Uint8Array.from(atob("COLOURS"), c => c.charCodeAt(0));
const SIDE = 320, FINE = 64;
const element = (name, parent, values = {}) =>
  parent.appendChild(Object.assign(document.createElement(name), values));
function draw(canvas, frame, map, moment) {
  const [h, w] = map.size, cells = map.cells, first = moment * h * w;
  const fine = new ImageData(FINE, FINE);
  for (let y = 0; y < FINE; y++) for (let x = 0; x < FINE; x++) {
    const r = Math.min(Math.max((y + .5) * h / FINE - .5, 0), h - 1), t = Math.floor(r);
    const c = Math.min(Math.max((x + .5) * w / FINE - .5, 0), w - 1), l = Math.floor(c);
    const b = Math.min(t + 1, h - 1), e = Math.min(l + 1, w - 1);
    const at = (i, j) => cells[first + i * w + j];
    const upper = at(t, l) + (at(t, e) - at(t, l)) * (c - l);
    const lower = at(b, l) + (at(b, e) - at(b, l)) * (c - l);
    const level = 3 * Math.round(upper + (lower - upper) * (r - t)), i = 4 * (y * FINE + x);
    for (let k = 0; k < 3; k++) fine.data[i + k] = colours[level + k];
    fine.data[i + 3] = 255;
  }
  const small = document.createElement("canvas");
  small.width = small.height = FINE;
  small.getContext("2d").putImageData(fine, 0, 0);
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.drawImage(frame, 0, 0, SIDE, SIDE);
  context.globalAlpha = 0.55;
  context.drawImage(small, 0, 0, SIDE, SIDE);
}
scenes.forEach((scene, number) => {
  const section = element("section", document.querySelector("main"));
  const views = element("div", section, {className: "views"});
  const canvases = scene.rows.map(label => {
    const figure = element("figure", views);
    const canvas = element("canvas", figure, {width: SIDE, height: SIDE});
    canvas.setAttribute("role", "img");
    element("figcaption", figure, {textContent: label});
    return canvas;
  });
  const frame = new Image();
  const choices = element("fieldset", section);
  element("legend", choices, {textContent: `Sounds of frame ${number + 1}`});
  let shown = 0;
  const show = (place, time) => {
    shown = place;
    const sound = scene.sounds[place];
    sound.radio.checked = true;
    section.dataset.shown = sound.label;
    sound.maps.forEach((map, row) => {
      const count = map.cells.length / (map.size[0] * map.size[1]);
      const wanted = time === null ? count / 2 : time / scene.interval;
      const moment = Math.min(count - 1, Math.floor(wanted));
      canvases[row].setAttribute("aria-label", `${scene.rows[row]}: map of ${sound.label}`);
      draw(canvases[row], frame, map, moment);
    });
  };
  scene.sounds.forEach((sound, place) => {
    sound.maps.forEach(map => {
      map.cells = Uint8Array.from(atob(map.cells), c => c.charCodeAt(0));
    });
    const line = element("div", choices, {className: "sound"});
    const label = element("label", line);
    sound.radio = element("input", label, {type: "radio", name: `scene${number}`});
    label.append(` ${sound.label}`);
    sound.radio.addEventListener("change", () => show(place, null));
    if (!sound.uri) return;
    const player = element("audio", line, {controls: true, preload: "metadata", src: sound.uri});
    player.setAttribute("aria-label", sound.label);
    const follow = () => {
      if (shown === place) show(place, player.currentTime);
      if (!player.paused && !player.ended) requestAnimationFrame(follow);
    };
    player.addEventListener("play", () => {
      document.querySelectorAll("audio").forEach(other => other !== player && other.pause());
      show(place, player.currentTime);
      follow();
    });
    player.addEventListener("seeked", () => show(place, player.currentTime));
  });
  frame.onload = () => show(0, null);
  frame.src = scene.frame;
});
</script>
</html>
"""


@dataclass(frozen=True)
class SoundChoice:
    """A sound of a scene: its label, its data URI (None where its media are absent), and for each
    row raw maps (T, h, w), one for each moment; T is 1 for a map that does not move."""

    label: str
    uri: str | None
    maps: Sequence[np.ndarray]


@dataclass(frozen=True)
class InteractiveScene:
    """A frame as a data URI, the labels of its rows, and its sounds."""

    frame: str
    rows: Sequence[str]
    sounds: Sequence[SoundChoice]


def interactive_page(scenes: Sequence[InteractiveScene], interval: float) -> str:
    """The page as HTML text without any outside reference; moments are `interval` s apart."""
    content = [
        {
            "frame": scene.frame,
            "rows": list(scene.rows),
            "interval": interval,
            "sounds": [
                {"label": s.label, "uri": s.uri, "maps": [_packed(m) for m in s.maps]}
                for s in scene.sounds
            ],
        }
        for scene in scenes
    ]
    table = (255 * colormaps["turbo"](np.arange(256))[:, :3]).round().astype(np.uint8)
    # Within a script element only "<" could end it.
    text = json.dumps(content).replace("<", "\\u003c")
    return _PAGE.replace("COLOURS", _base64(table)).replace("SCENES", text)


def _packed(maps: np.ndarray) -> dict[str, object]:
    low, high = float(maps.min()), float(maps.max())
    scaled = (maps - low) / (high - low) if high > low else np.zeros_like(maps)
    return {"size": maps.shape[1:], "cells": _base64((255 * scaled).round().astype(np.uint8))}


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
