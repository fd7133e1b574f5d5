// The loop, and what pointer and keys do.

const run = readRun();
const length = run.end - run.begin;
const FIRST_TURN = { yaw: 0.55, pitch: 0.42, zoom: 1 };

const view = {
  playing: false, speed: nice(length / 20), trail: Math.min(nice(length), Math.max(nice(2 * run.dt), nice(length / 100))), density: 1,
  screen: [0, run.axes.length > 1 ? 1 : -1, run.axes.length > 2 ? 2 : -1],
  others: run.axes.map((_, axis) => ({ mode: axis === 3 ? "apart" : "all", at: Math.floor(run.shape[axis] / 2) })),
  ...FIRST_TURN, pan: [0, 0], colour: "population", quiet: true, turning: false, hidden: new Set(), hover: -1, pinned: -1, time: 0,
};
view.time = Math.min(run.end, run.begin + view.trail);

const element = (name) => document.getElementById(name);
const canvas = element("scene"), tip = element("tip"), clock = element("clock");
const scene = makeScene(run, view, canvas), strip = makeStrip(run, view, element("strip"));
const drawn = { frames: 0, neurons: 0, active: 0 };
let dirty = true, pointer = null, before = performance.now();

const act = {
  toggle() {
    view.playing = !view.playing;
    if (view.playing && view.time >= run.end) view.time = run.begin;
    panel.showPlaying();
  },
  seek(time) {
    view.time = Math.min(run.end, Math.max(run.begin, time));
    dirty = true;
  },
  set(changes) {
    Object.assign(view, changes);
    scene.turned();
    if ("trail" in changes || "speed" in changes) panel.showTimes();
    else panel.showColours(scene.ceiling);
    if ("turning" in changes) panel.showScreen();
    dirty = true;
  },
  arranged() {
    scene.rearranged();
    panel.showScreen();
    dirty = true;
  },
  // An axis goes to one side of the screen; where it was already, the two change places.
  putOnScreen(side, axis) {
    const was = view.screen.indexOf(axis);
    if (axis >= 0 && was >= 0) view.screen[was] = view.screen[side];
    view.screen[side] = axis;
    if (view.screen[0] < 0) view.screen = [view.screen.find((each) => each >= 0), -1, -1];
    if (view.screen[1] < 0 && view.screen[2] >= 0) view.screen = [view.screen[0], view.screen[2], -1];
    act.arranged();
  },
  other(axis, changes) {
    Object.assign(view.others[axis], changes);
    const apart = apartAxes(run, view).filter((each) => each !== axis);
    if (view.others[axis].mode === "apart" && apart.length > 1) view.others[apart[0]].mode = "all";
    act.arranged();
  },
  slice(axis, at) {
    view.others[axis].at = at;
    scene.rearranged();
    dirty = true;
  },
  hide(index) {
    if (!view.hidden.delete(index)) view.hidden.add(index);
    scene.rearranged();
    strip.redraw();
    panel.showColours(scene.ceiling);
    dirty = true;
  },
  pin(neuron) {
    view.pinned = neuron;
    strip.redraw();
    panel.showPinned();
    dirty = true;
  },
  reset() {
    Object.assign(view, FIRST_TURN, { pan: [0, 0] });
    scene.turned();
    dirty = true;
  },
};

const panel = makePanel(run, view, act);

function hover() {
  const found = pointer && !pointer.held ? scene.pick(pointer.x, pointer.y) : { neuron: -1, others: 0 };
  if (found.neuron !== view.hover) dirty = true;
  view.hover = found.neuron;
  tip.hidden = found.neuron < 0;
  if (tip.hidden) return;
  tip.replaceChildren(...describe(run, found.neuron, found.others));
  const bounds = canvas.getBoundingClientRect();
  const left = pointer.x + 14 + tip.offsetWidth > bounds.width ? pointer.x - 14 - tip.offsetWidth : pointer.x + 14;
  const top = pointer.y + 14 + tip.offsetHeight > bounds.height ? pointer.y - 14 - tip.offsetHeight : pointer.y + 14;
  Object.assign(tip.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, top)}px` });
}

function tick(now) {
  // A tab that was hidden goes on where it was.
  const passed = Math.min(0.25, (now - before) / 1000);
  before = now;
  if (view.turning && view.screen[2] >= 0 && !pointer?.held) {
    view.yaw += passed * 0.3;
    scene.turned();
    dirty = true;
  }
  if (view.playing) {
    view.time += passed * view.speed;
    if (view.time >= run.end) view.time = run.begin + ((view.time - run.begin) % length);
    dirty = true;
  }
  if (dirty) {
    dirty = false;
    Object.assign(drawn, scene.draw());
    strip.draw();
    drawn.frames++;
    hover();
    clock.textContent = `${view.time.toFixed(run.dt < 1 ? 1 : 0)} ms`;
    const share = drawn.neurons === run.n ? `${run.n.toLocaleString("en")} neurons` : `${drawn.neurons.toLocaleString("en")} of ${run.n.toLocaleString("en")} neurons`;
    element("shown").textContent = `${share}, ${drawn.active.toLocaleString("en")} fired in the last ${short(view.trail)} ms`;
  }
  requestAnimationFrame(tick);
}

function at(event, node) {
  const bounds = node.getBoundingClientRect();
  return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointer = { ...at(event, canvas), held: true, travelled: 0 };
  canvas.classList.add("held");
  canvas.focus({ preventScroll: true });
  hover();
});
canvas.addEventListener("pointermove", (event) => {
  const to = at(event, canvas);
  if (pointer?.held) {
    const [right, down] = [to.x - pointer.x, to.y - pointer.y];
    pointer.travelled += Math.abs(right) + Math.abs(down);
    if (event.shiftKey || view.screen[2] < 0) {
      view.pan = [view.pan[0] + right, view.pan[1] + down];
    } else {
      view.yaw += right * 0.008;
      view.pitch = Math.min(1.57, Math.max(-1.57, view.pitch + down * 0.008));
    }
    scene.turned();
    dirty = true;
  }
  pointer = { held: false, travelled: 0, ...pointer, ...to };
  hover();
});
canvas.addEventListener("pointerup", () => {
  canvas.classList.remove("held");
  if (!pointer) return;
  pointer.held = false;
  if (pointer.travelled < 4) act.pin(scene.pick(pointer.x, pointer.y).neuron);
});
canvas.addEventListener("pointerleave", () => {
  pointer = null;
  hover();
});
canvas.addEventListener("wheel", (event) => {
  // A page that is scrolled past keeps scrolling: the wheel belongs to the view only after a click into it.
  if (document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * 0.0015));
}, { passive: false });

function zoom(factor) {
  view.zoom = Math.min(20, Math.max(0.3, view.zoom * factor));
  scene.turned();
  dirty = true;
}

const slider = element("strip");
slider.addEventListener("pointerdown", (event) => {
  slider.setPointerCapture(event.pointerId);
  act.seek(strip.timeAt(at(event, slider).x));
});
slider.addEventListener("pointermove", (event) => {
  if (event.buttons & 1) act.seek(strip.timeAt(at(event, slider).x));
});

function neighbour(list, value, way) {
  const index = list.findIndex((each) => each >= value * (1 - 1e-9));
  return list[Math.min(list.length - 1, Math.max(0, index + way))];
}

function nextSlice(way) {
  const axis = run.axes.findIndex((_, each) => !view.screen.includes(each) && view.others[each].mode === "slice");
  const first = axis >= 0 ? axis : run.axes.findIndex((_, each) => !view.screen.includes(each));
  if (first < 0) return;
  const step = axis >= 0 ? way : 0;
  act.other(first, { mode: "slice", at: Math.min(run.shape[first] - 1, Math.max(0, view.others[first].at + step)) });
}

const KEYS = {
  " ": act.toggle,
  ArrowLeft: (event) => act.seek(view.time - run.dt * (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => act.seek(view.time + run.dt * (event.shiftKey ? 10 : 1)),
  Home: () => act.seek(run.begin),
  End: () => act.seek(run.end),
  ArrowUp: () => act.set({ speed: neighbour(panel.speeds, view.speed, 1) }),
  ArrowDown: () => act.set({ speed: neighbour(panel.speeds, view.speed, -1) }),
  "]": () => act.set({ trail: neighbour(panel.trails, view.trail, 1) }),
  "[": () => act.set({ trail: neighbour(panel.trails, view.trail, -1) }),
  ">": () => nextSlice(1),
  "<": () => nextSlice(-1),
  ".": () => nextSlice(1),
  ",": () => nextSlice(-1),
  c: () => act.set({ colour: view.colour === "rate" ? "population" : "rate" }),
  q: () => act.set({ quiet: !view.quiet }),
  t: () => act.set({ turning: !view.turning }),
  "+": () => zoom(1.2),
  "-": () => zoom(1 / 1.2),
  r: act.reset,
};
// Lists keep all their keys, sliders and ticks those that move or change them, buttons the space bar.
function takenBy(node, key) {
  if (node.closest("select")) return true;
  if (node.closest("input")) return key.length > 1 || key === " ";
  return key === " " && node.closest("button, summary") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key] || takenBy(event.target, event.key)) return;
  event.preventDefault();
  KEYS[event.key](event);
});

function resize() {
  scene.resize();
  strip.resize();
  dirty = true;
}

element("title").textContent = run.title;
element("facts").textContent = `${run.shape.join(" × ")} sites, ${run.n.toLocaleString("en")} neurons, ${run.spikes.toLocaleString("en")} spikes, ${short(length)} ms in steps of ${short(run.dt)} ms`;
panel.showScreen();
panel.showColours(scene.ceiling);
panel.showPlaying();
panel.showTimes();
new ResizeObserver(resize).observe(element("stage"));
resize();
requestAnimationFrame(tick);
// For those who script the page, a test for example.
window.explorer = { run, view, drawn, where: scene.where, seek: act.seek };
