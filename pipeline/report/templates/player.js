"use strict";
// One frame under several sounds: the map of the one that is chosen or played, moving with it. Maps
// come as their few cells, one byte each, and are enlarged bilinearly and coloured here.
const read = id => JSON.parse(document.getElementById(id).textContent);
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const colours = bytes(read("colours"));  // red, green, blue, alpha of each of 256 levels
const SIDE = 320, FINE = 64;

const element = (name, parent, values = {}) =>
  parent.appendChild(Object.assign(document.createElement(name), values));

function draw(canvas, frame, map, moment) {
  const context = canvas.getContext("2d");
  context.drawImage(frame, 0, 0, SIDE, SIDE);
  if (!map) return;
  const [h, w] = map.size, cells = map.cells, first = moment * h * w;
  const at = (row, column) => cells[first + row * w + column];
  const fine = new ImageData(FINE, FINE);
  for (let y = 0; y < FINE; y++) {
    for (let x = 0; x < FINE; x++) {
      const row = Math.min(Math.max((y + .5) * h / FINE - .5, 0), h - 1), top = Math.floor(row);
      const column = Math.min(Math.max((x + .5) * w / FINE - .5, 0), w - 1);
      const left = Math.floor(column);
      const below = Math.min(top + 1, h - 1), right = Math.min(left + 1, w - 1);
      const upper = at(top, left) + (at(top, right) - at(top, left)) * (column - left);
      const lower = at(below, left) + (at(below, right) - at(below, left)) * (column - left);
      const level = Math.round(upper + (lower - upper) * (row - top));
      for (let k = 0; k < 4; k++) fine.data[4 * (y * FINE + x) + k] = colours[4 * level + k];
    }
  }
  const small = document.createElement("canvas");
  small.width = small.height = FINE;
  small.getContext("2d").putImageData(fine, 0, 0);
  context.drawImage(small, 0, 0, SIDE, SIDE);
}

function view(parent, label, words) {
  const figure = element("figure", parent);
  const canvas = element("canvas", figure, {width: SIDE, height: SIDE});
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  element("figcaption", figure, {textContent: label});
  return canvas;
}

read("scenes").forEach((scene, number) => {
  const section = element("section", document.querySelector("main"));
  const views = element("div", section, {className: "views"});
  const plain = view(views, "frame", `frame ${number + 1}`);
  const canvases = scene.rows.map(label => view(views, label, label));
  const frame = new Image();
  const choices = element("fieldset", section, {className: "sounds"});
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
    sound.maps.forEach(map => { map.cells = bytes(map.cells); });
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
  frame.onload = () => {
    draw(plain, frame);
    show(0, null);
  };
  frame.src = scene.frame;
});
