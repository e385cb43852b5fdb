// One frame under several sounds: the map of the one that is chosen or played, moving with it.
const colours = bytes(read("colours"));  // red, green, blue, alpha of each of 256 levels
const SIDE = 480;
const tool = name => document.querySelector(`.tools [name=${name}]`);

function paint(canvas, frame, map, moment, truth) {
  const context = canvas.getContext("2d");
  context.drawImage(frame, 0, 0, canvas.width, canvas.height);
  if (map) {
    const [h, w] = map.size, first = moment * h * w;
    const fine = enlarged(map.cells.subarray(first, first + h * w), h, w, FINE);
    glow(context, fine, FINE, colours, tool("opacity").value / 100);
  }
  if (truth && tool("truth").checked)
    stroke(context, contour(truth.fine, truth.side, .5), "#fff", 3);
}

function view(parent, scene, label, words) {
  const figure = element("figure", parent);
  const canvas = element("canvas", figure, {width: Math.round(SIDE * Math.min(1, scene.shape)),
    height: Math.round(SIDE / Math.max(1, scene.shape))});
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  element("figcaption", figure, {textContent: label});
  return canvas;
}

read("scenes").forEach((scene, number) => {
  const section = element("section", document.querySelector("main"));
  const views = element("div", section, {className: "views"});
  const plain = view(views, scene, "frame", `frame ${number + 1}`);
  const canvases = scene.rows.map(label => view(views, scene, label, label));
  const frame = new Image();
  const choices = element("fieldset", section, {className: "sounds"});
  element("legend", choices, {textContent: `Sounds of frame ${number + 1}`});
  let shown = 0, now = null;
  const show = (place, time) => {
    shown = place;
    now = time;
    const sound = scene.sounds[place];
    sound.radio.checked = true;
    section.dataset.shown = sound.label;
    paint(plain, frame, null, 0, sound.truth);
    sound.maps.forEach((map, row) => {
      const count = map.cells.length / (map.size[0] * map.size[1]);
      const wanted = time === null ? count / 2 : time / scene.interval;
      const moment = Math.min(count - 1, Math.floor(wanted));
      canvases[row].setAttribute("aria-label", `${scene.rows[row]}: map of ${sound.label}`);
      paint(canvases[row], frame, map, moment, sound.truth);
    });
  };
  scene.sounds.forEach((sound, place) => {
    sound.maps.forEach(map => { map.cells = bytes(map.cells); });
    sound.truth = sound.truth && region(bytes(sound.truth));
    const line = element("div", choices, {className: "sound"});
    const label = element("label", line);
    sound.radio = element("input", label, {type: "radio", name: `scene${number}`});
    label.append(` ${sound.label}`);
    sound.radio.addEventListener("change", () => show(place, null));
    if (!sound.uri) {
      element("span", line, {className: "clip", textContent: "cannot be played"});
      return;
    }
    // Who plays a sound has chosen it.
    const player = element("audio", line, {controls: true, preload: "metadata", src: sound.uri});
    player.setAttribute("aria-label", sound.label);
    const follow = () => {
      if (shown === place) show(place, player.currentTime);
      if (!player.paused && !player.ended) requestAnimationFrame(follow);
    };
    player.addEventListener("play", () => { show(place, player.currentTime); follow(); });
    player.addEventListener("seeked", () => show(place, player.currentTime));
  });
  document.querySelector(".tools").addEventListener("input", () => show(shown, now));
  frame.onload = () => show(0, null);
  frame.src = scene.frame;
});
