"use strict";
// Heat maps out of their few cells: enlarged as their benchmark enlarges them, coloured, cut, and
// outlined. Shared by every page that has a script.
const read = id => JSON.parse(document.getElementById(id).textContent);
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const element = (name, parent, values = {}) =>
  parent.appendChild(Object.assign(document.createElement(name), values));

// How much each of `length` cells counts at each of `size` places: [first cell, weights...].
const axes = {};
function axis(length, size, resize) {
  const key = `${length} ${size} ${resize}`;
  if (axes[key]) return axes[key];
  const corners = resize.endsWith("corners"), cubic = resize.startsWith("bicubic");
  const wave = x => x <= 1 ? (1.25 * x - 2.25) * x * x + 1 : ((-.75 * x + 3.75) * x - 6) * x + 3;
  return axes[key] = Array.from({length: size}, (_, place) => {
    const at = corners ? place * (length - 1) / (size - 1) : (place + .5) * length / size - .5;
    const kept = cubic || corners ? at : Math.min(Math.max(at, 0), length - 1);
    const low = Math.floor(kept), part = kept - low;
    const cells = cubic ? [-1, 0, 1, 2] : [0, 1];
    return cells.map(step => [Math.min(Math.max(low + step, 0), length - 1),
      cubic ? wave(Math.abs(step - part)) : step ? part : 1 - part]);
  });
}

// A map of h x w cells as size x size values, row by row.
function enlarged(cells, h, w, size, resize = "half-pixel") {
  const down = axis(h, size, resize), across = axis(w, size, resize);
  const wide = new Float32Array(h * size), fine = new Float32Array(size * size);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < size; x++)
      for (const [cell, weight] of across[x]) wide[y * size + x] += weight * cells[y * w + cell];
  for (let y = 0; y < size; y++)
    for (const [cell, weight] of down[y])
      for (let x = 0; x < size; x++) fine[y * size + x] += weight * wide[cell * size + x];
  return fine;
}

// The line around what lies above a threshold, its places as shares of the picture.
function contour(fine, size, threshold) {
  const path = [];
  const at = (x, y) => x < 0 || y < 0 || x >= size || y >= size ? -1e9 : fine[y * size + x];
  const cross = (a, b) => {
    if (a < -1e8 || b < -1e8) return .5;
    return Math.min(Math.max((threshold - a) / (b - a), 0), 1);
  };
  for (let y = -1; y < size; y++)
    for (let x = -1; x < size; x++) {
      const a = at(x, y), b = at(x + 1, y), c = at(x + 1, y + 1), d = at(x, y + 1);
      const kind = (a > threshold) + 2 * (b > threshold) + 4 * (c > threshold) + 8 * (d > threshold);
      if (kind === 0 || kind === 15) continue;
      const top = [x + cross(a, b), y], right = [x + 1, y + cross(b, c)];
      const bottom = [x + cross(d, c), y + 1], left = [x, y + cross(a, d)];
      const lines = {1: [left, top], 2: [top, right], 3: [left, right], 4: [right, bottom],
        5: [left, top, right, bottom], 6: [top, bottom], 7: [left, bottom], 8: [bottom, left],
        9: [top, bottom], 10: [top, right, bottom, left], 11: [right, bottom], 12: [right, left],
        13: [top, right], 14: [left, top]}[kind];
      path.push(...lines.map(([px, py]) => [(px + .5) / size, (py + .5) / size]));
    }
  return path;
}

// A region out of its bytes (`pipeline/report/regions.py`): its side, and a 1 for each pixel of it.
function region(content) {
  const side = content[0], fine = new Uint8Array(side * side);
  for (let place = 1; place < content.length;) {
    const [first, behind, runs] = content.subarray(place, place + 3);
    place += 3;
    for (let run = 0; run < runs; run++, place += 2)
      for (let row = first; row < behind; row++)
        fine.fill(1, row * side + content[place], row * side + content[place + 1]);
  }
  return {side, fine};
}

// A line on a dark one, so that it is seen on any picture.
function stroke(context, path, colour, width) {
  const {width: w, height: h} = context.canvas;
  for (const [ink, more] of [["rgba(0,0,0,.65)", 2], [colour, 0]]) {
    context.beginPath();
    for (let n = 0; n < path.length; n += 2) {
      context.moveTo(path[n][0] * w, path[n][1] * h);
      context.lineTo(path[n + 1][0] * w, path[n + 1][1] * h);
    }
    Object.assign(context, {strokeStyle: ink, lineWidth: width + more, lineCap: "round"});
    context.stroke();
  }
}

// Levels 0 to 255 (size x size) over what is drawn, in the colours of `pipeline/report/heat.py`.
const FINE = 64, small = document.createElement("canvas");
function glow(context, fine, size, colours, opacity) {
  const picture = new ImageData(size, size);
  fine.forEach((value, place) => {
    const level = 4 * Math.min(255, Math.max(0, Math.round(value)));
    picture.data.set(colours.subarray(level, level + 4), 4 * place);
  });
  small.width = small.height = size;
  small.getContext("2d").putImageData(picture, 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
  context.globalAlpha = 1;
}
