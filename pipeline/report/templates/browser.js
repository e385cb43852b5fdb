// The failure browser: all samples of a benchmark under one run or two, filtered, sorted and drawn
// from what the page holds behind its content (`pipeline/report/store.py`).
const root = document.getElementById("samples");
const PAGE = 24, UNKNOWN = 65535;
const find = selector => root.querySelector(selector);
const typed = (text, kind) => new kind(bytes(text).buffer);
const once = make => { const made = {}; return key => made[key] ??= make(key); };

function start() {
  const stored = read("stored"), colours = bytes(stored.colours);
  const form = find("form").elements, dialog = find("dialog"), list = find("ul.samples");
  let bench, run, beside, shown = [], count = 0, open = -1;
  const kinds = new Set();

  const opened = once(number => {
    const found = stored.benchmarks[number], lengths = typed(found.lengths, Uint16Array);
    let end = 0;
    const starts = Array.from(lengths, length => (end += length) - length);
    const runs = Object.fromEntries(Object.entries(found.runs).map(([key, value]) => [key, {
      ...value, sure: typed(value.sure, Float32Array), kind: bytes(value.kind),
      cuts: Object.fromEntries(Object.entries(value.cuts).map(([cut, text]) => {
        const steps = typed(text, Uint16Array);
        return [cut, Float32Array.from(steps, step => step === UNKNOWN ? NaN : step / 10000)];
      })),
    }]));
    return {...found, number, runs, starts, lengths, place: stored.corpora[found.corpus].place,
      pairs: typed(found.pairs, Uint32Array), class: typed(found.class, Uint16Array),
      area: typed(found.area, Float32Array), regions: bytes(found.regions),
      ids: found.ids.map((id, n) => id || found.frames[n]),
      sounds: found.sounds.map((id, n) => id || found.frames[n]),
      conditions: Object.fromEntries(
        Object.entries(found.conditions).map(([name, text]) => [name, bytes(text)]))};
  });
  const places = once(corpus => new Map(stored.corpora[corpus].ids.map((id, n) => [id, n])));
  const lines = once(place => document.getElementById(`frames-${place}`).textContent.split("\n"));
  const heard = once(place => read(`sounds-${place}`));
  const block = once(key => {
    const text = document.getElementById(`maps-${key}`);
    if (!text) return null;
    const found = JSON.parse(text.textContent);
    const places = new Map([...typed(found.pairs, Uint32Array)].map((pair, at) => [pair, at]));
    return {...found, places, cells: bytes(found.cells), low: typed(found.low, Float32Array),
      high: typed(found.high, Float32Array)};
  });
  const frames = new Map();
  function frame(clip) {
    const key = `${bench.corpus}/${clip}`;
    if (!frames.has(key)) {
      const picture = new Image();
      const line = lines(bench.place)[places(bench.corpus).get(clip)];
      frames.set(key, new Promise((shown, failed) => {
        picture.onload = () => shown(picture);
        picture.onerror = failed;
      }));
      picture.src = `data:image/webp;base64,${line}`;
      if (frames.size > 400) frames.delete(frames.keys().next().value);
    }
    return frames.get(key);
  }
  function mapOf(which, n) {
    for (let owner = 0; owner < stored.benchmarks.length; owner++) {
      if (stored.benchmarks[owner].corpus !== bench.corpus) continue;
      const maps = block(`${which}-${owner}`), at = maps?.places.get(bench.pairs[n]);
      if (at === undefined) continue;
      const [h, w] = maps.size;
      return {h, w, cells: maps.cells.subarray(at * h * w, (at + 1) * h * w),
        low: maps.low[at], high: maps.high[at]};
    }
    return null;
  }
  function threshold(cut, fine, map, n, which) {
    if (cut === "half") return 127.5;
    if (cut === "universal")
      return 255 * (bench.runs[which].threshold - map.low) / (map.high - map.low || 1);
    const sorted = fine.slice().sort(), total = sorted.length;
    if (cut === "median") return sorted[total >> 1];
    return sorted[total - (Math.round(bench.area[n] * total) || total >> 1)];
  }
  async function draw(canvas, which, n, size, style) {
    const picture = await frame(bench.frames[n]);
    const shape = stored.corpora[bench.corpus].shapes[places(bench.corpus).get(bench.frames[n])];
    canvas.width = Math.round(size * Math.min(1, shape));
    canvas.height = Math.round(size / Math.max(1, shape));
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const map = mapOf(which, n), width = size / 160;
    if (map) {
      const fineness = size > 300 ? 2 * FINE : FINE;
      const fine = enlarged(map.cells, map.h, map.w, fineness, bench.resize);
      if (style.opacity) glow(context, fine, fineness, colours, style.opacity);
      if (style.region && map.high > map.low) {
        const edge = contour(fine, fineness, threshold(style.cut, fine, map, n, which));
        stroke(context, edge, "#7fd4ff", width);
      }
    }
    if (style.truth && bench.area[n] > 0) {
      const first = bench.starts[n];
      const true_ = region(bench.regions.subarray(first, first + bench.lengths[n]));
      stroke(context, contour(true_.fine, true_.side, .5), "#fff", 1.3 * width);
    }
  }

  const lead = which => bench.runs[which].cuts[bench.runs[which].lead];
  const iou = (which, n) => lead(which)[n];
  const number = (value, digits = 2) => Number.isNaN(value) ? "none" : value.toFixed(digits);
  const kind = (which, n) => stored.kinds[bench.runs[which].kind[n]];
  const sentence = (which, n) => Number.isNaN(iou(which, n)) ? kind(which, n)
    : `IoU ${number(iou(which, n))}, ${kind(which, n)}`;
  const nameOf = n => bench.classes[bench.class[n]] || bench.ids[n];

  function options(select, entries, chosen) {
    select.replaceChildren();
    entries.forEach(([value, text]) => element("option", select, {value, textContent: text}));
    select.value = entries.some(([value]) => String(value) === String(chosen)) ? chosen : entries[0][0];
  }
  function choose(benchmark, which, other) {
    bench = opened(benchmark);
    const runs = Object.keys(bench.runs).map(key => [key, stored.runs[key]]);
    options(form.benchmark, stored.benchmarks.map((each, n) => [n, each.title]), benchmark);
    options(form.run, runs, which);
    run = form.run.value;
    options(form.beside, [["", "nothing"], ...runs.filter(([key]) => key !== run)], other);
    beside = form.beside.value;
    form.beside.parentElement.hidden = runs.length < 2;
    form.sort.querySelector("[value=differ]").disabled = !beside;
    const counts = {};
    bench.class.forEach(place => { counts[place] = (counts[place] || 0) + 1; });
    const names = Object.entries(counts).filter(([place]) => bench.classes[place])
      .map(([place, n]) => [place, `${bench.classes[place]} (${n})`])
      .sort((a, b) => a[1].localeCompare(b[1]));
    options(form.class, [["", "all"], ...names], form.class.value);
    form.class.parentElement.hidden = names.length < 2;
    options(form.band, [["", "all"], ...stored.bands.map(([low, high], n) =>
      [n, `${100 * low} to ${Math.min(100, Math.round(100 * high))} % of the frame`])], form.band.value);
    const conditions = Object.keys(bench.conditions);
    options(form.condition, [["", "all"], ...conditions.map(name => [name, name])], form.condition.value);
    form.condition.parentElement.hidden = !conditions.length;
    select();
  }
  function select() {
    const value = name => form[name].value === "" ? null : Number(form[name].value);
    const [from, to, low, high] = ["iou-from", "iou-to", "sure-from", "sure-to"].map(value);
    const words = form.search.value.trim().toLowerCase(), members = bench.conditions[form.condition.value];
    const band = form.band.value === "" ? null : stored.bands[form.band.value];
    const fits = n => {
      const overlap = iou(run, n), sure = bench.runs[run].sure[n];
      if (!Number.isNaN(overlap) && (overlap < (from ?? 0) || overlap > (to ?? 1))) return false;
      if (Number.isNaN(overlap) && from > 0) return false;
      if (low !== null && sure < low || high !== null && sure > high) return false;
      if (form.class.value !== "" && bench.class[n] !== Number(form.class.value)) return false;
      if (band && !(bench.area[n] >= band[0] && bench.area[n] < band[1])) return false;
      if (members && !members[n]) return false;
      return !words || `${nameOf(n)} ${bench.ids[n]}`.toLowerCase().includes(words);
    };
    const all = [...bench.frames.keys()].filter(fits);
    chips(all);
    shown = all.filter(n => !kinds.size || kinds.has(bench.runs[run].kind[n]));
    const known = n => Number.isNaN(iou(run, n)) ? 2 : iou(run, n), sure = bench.runs[run].sure;
    const differ = n => -Math.abs((iou(run, n) || 0) - (iou(beside || run, n) || 0));
    const order = {worst: (a, b) => known(a) - known(b), best: (a, b) => (known(b) % 2) - (known(a) % 2),
      sure: (a, b) => sure[b] - sure[a], unsure: (a, b) => sure[a] - sure[b],
      differ: (a, b) => differ(a) - differ(b),
      name: (a, b) => bench.ids[a] < bench.ids[b] ? -1 : 1}[form.sort.value];
    shown.sort((a, b) => order(a, b) || a - b);
    find(".count").textContent = `${shown.length.toLocaleString("en")} of `
      + `${bench.count.toLocaleString("en")} samples of ${bench.title}, run ${stored.runs[run]}`;
    list.replaceChildren();
    count = 0;
    more();
  }
  function chips(all) {
    const counts = {};
    all.forEach(n => { const k = bench.runs[run].kind[n]; counts[k] = (counts[k] || 0) + 1; });
    const group = find(".chips"), focused = group.contains(document.activeElement)
      ? document.activeElement.dataset.kind : null;
    group.replaceChildren();
    stored.kinds.forEach((name, k) => {
      if (!counts[k] && !kinds.has(k)) return;
      const chip = element("button", group, {type: "button", className: `k${k}`,
        title: stored.meanings[name] || ""});
      chip.textContent = `${name} ${counts[k] || 0}`;
      chip.dataset.kind = k;
      chip.setAttribute("aria-pressed", kinds.has(k));
      chip.addEventListener("click", () => { if (!kinds.delete(k)) kinds.add(k); select(); });
      if (focused === String(k)) chip.focus();
    });
  }
  const waiting = new IntersectionObserver(entries => entries.forEach(({isIntersecting, target}) => {
    if (!isIntersecting) return;
    waiting.unobserve(target);
    const n = Number(target.dataset.sample), cut = bench.runs[run].lead;
    target.querySelectorAll("canvas").forEach((canvas, place) =>
      draw(canvas, place ? beside : run, n, 220, {opacity: .85, truth: true, region: true, cut}));
  }), {rootMargin: "300px"});
  function more() {
    shown.slice(count, count + PAGE).forEach((n, step) => {
      const item = element("li", list), place = count + step;
      const card = element("button", item, {type: "button", className: beside ? "two" : ""});
      card.dataset.sample = n;
      const pair = element("span", card, {className: "pair"});
      (beside ? [run, beside] : [run]).forEach(() => element("canvas", pair, {width: 220, height: 220}));
      element("b", card, {textContent: nameOf(n)});
      element("span", card, {className: `kind k${bench.runs[run].kind[n]}`, textContent: sentence(run, n)});
      if (beside)
        element("span", card, {className: `kind k${bench.runs[beside].kind[n]}`, textContent: sentence(beside, n)});
      card.addEventListener("click", () => show(place));
      waiting.observe(card);
    });
    count += PAGE;
    find(".more").hidden = count >= shown.length;
  }

  const address = n => ["sample", bench.key, stored.runs[run], beside ? stored.runs[beside] : "-",
    bench.ids[n]].map(encodeURIComponent).join("/");
  function show(place) {
    open = place;
    const n = shown[place], views = find("dialog .views"), first = bench.runs[run].lead;
    const cuts = [first, ...Object.keys(bench.runs[run].cuts).filter(name => name !== first)];
    find("#sample-title").textContent = nameOf(n);
    views.replaceChildren();
    (beside ? [run, beside] : [run]).forEach(which => {
      const figure = element("figure", views), facts = bench.runs[which];
      const canvas = element("canvas", figure);
      canvas.dataset.run = which;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `map of ${stored.runs[which]}: ${sentence(which, n)}`);
      const caption = element("figcaption", figure);
      element("b", caption, {textContent: stored.runs[which]});
      element("span", caption, {className: `kind k${facts.kind[n]}`, textContent: kind(which, n)});
      const numbers = cuts.filter(cut => !Number.isNaN(facts.cuts[cut][n]))
        .map(cut => `IoU ${number(facts.cuts[cut][n])} at ${CUTS[cut]}`);
      element("span", caption, {textContent: [...numbers, `sureness ${number(facts.sure[n], 3)}`].join(", ")});
    });
    const names = [`frame ${bench.frames[n]}`];
    if (bench.sounds[n] !== bench.frames[n]) names.push(`sound ${bench.sounds[n]}`);
    Object.entries(bench.conditions).forEach(([name, rows]) => rows[n] && names.push(name));
    names.push(`${number(100 * bench.area[n], 0)} % of the frame sounds`);
    const sound = find("dialog .sound");
    sound.replaceChildren();
    const key = `${bench.corpus}/${bench.sounds[n]}`, kept = heard(bench.place)[bench.sounds[n]];
    const source = kept ? `data:audio/mpeg;base64,${kept}`
      : [...document.querySelectorAll("audio[data-clip]")].find(each => each.dataset.clip === key)?.src;
    if (source) element("audio", sound, {controls: true, preload: "metadata", src: source});
    element("p", sound, {className: "clip", textContent: names.join(" · ") + (source ? "" : " · its sound is not in this page")});
    options(dialog.querySelector("[name=cut]"), cuts.map(cut => [cut, CUTS[cut]]),
      cuts.includes(cut) ? cut : bench.runs[run].lead);
    find(".place").textContent = `${place + 1} of ${shown.length}`;
    find(".previous").disabled = place === 0;
    find(".next").disabled = place === shown.length - 1;
    find(".here").href = `#${address(n)}`;
    history.replaceState(null, "", `#${address(n)}`);
    if (!dialog.open) dialog.showModal();
    redraw();
  }
  let cut = null;
  function redraw() {
    const tool = name => dialog.querySelector(`[name=${name}]`);
    const style = {opacity: tool("opacity").value / 100, truth: tool("truth").checked,
      region: tool("region").checked, cut: tool("cut").value};
    dialog.querySelectorAll("canvas").forEach(canvas =>
      draw(canvas, canvas.dataset.run, shown[open], 640, style));
  }
  function follow() {
    const [what, ...parts] = location.hash.slice(1).split("/").map(decodeURIComponent);
    if (what !== "sample" && what !== "kind") return;
    const place = stored.benchmarks.findIndex(each => each.key === parts[0]);
    const which = stored.runs.indexOf(parts[1]);
    if (place < 0) return;
    find("form").reset();
    kinds.clear();
    if (what === "kind") kinds.add(stored.kinds.indexOf(parts[2]));
    choose(place, which, what === "sample" ? stored.runs.indexOf(parts[2]) : "");
    if (what === "kind") return document.getElementById("browser").scrollIntoView();
    const found = shown.findIndex(n => bench.ids[n] === parts[3]);
    if (found >= 0) show(found);
  }

  root.hidden = false;
  find("form").addEventListener("submit", event => event.preventDefault());
  find("form").addEventListener("input", event => {
    if (["benchmark", "run", "beside"].includes(event.target.name)) {
      if (event.target.name === "benchmark") kinds.clear();
      choose(form.benchmark.value, form.run.value, form.beside.value);
    } else select();
  });
  find(".more button").addEventListener("click", more);
  find(".close").addEventListener("click", () => dialog.close());
  find(".previous").addEventListener("click", () => show(open - 1));
  find(".next").addEventListener("click", () => show(open + 1));
  find(".tools").addEventListener("input", event => {
    if (event.target.name === "cut") cut = event.target.value;
    redraw();
  });
  dialog.addEventListener("click", event => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    find("dialog .sound").replaceChildren();
    history.replaceState(null, "", "#browser");
  });
  dialog.addEventListener("keydown", event => {
    if (["INPUT", "SELECT", "AUDIO"].includes(event.target.tagName)) return;
    if (event.key === "ArrowLeft" && open > 0) show(open - 1);
    if (event.key === "ArrowRight" && open < shown.length - 1) show(open + 1);
  });
  addEventListener("hashchange", follow);
  choose(0, null, "");
  follow();
}
const CUTS = {median: "the map's median", adaptive: "the true area", half: "half of its range",
  universal: "the universal threshold"};
if (root) start();
