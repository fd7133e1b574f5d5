// The controls beside the scene. Names come from the model and are only ever set as text.

function make(tag, settings = {}, ...children) {
  const node = Object.assign(document.createElement(tag), settings);
  node.append(...children);
  return node;
}

function choice(options, chosen, change, label) {
  const select = make("select", { onchange: () => change(select.value), ariaLabel: label });
  for (const [value, text] of options) select.append(make("option", { value: String(value), textContent: text }));
  select.value = String(chosen);
  return select;
}

function group(name, ...children) {
  return make("fieldset", {}, make("legend", { textContent: name }), ...children);
}

function tickBox(name, checked, change) {
  const box = make("input", { type: "checkbox", checked, onchange: () => change(box.checked) });
  return make("label", { className: "tick" }, box, name);
}

function row(name, ...children) {
  return make("div", { className: "row" }, make("span", { textContent: name }), ...children);
}

function makePanel(run, view, act) {
  const home = document.getElementById("panel");
  const play = make("button", { id: "play", onclick: act.toggle });
  const length = run.end - run.begin, speeds = niceBetween(Math.max(run.dt, length / 2000), length / 2), trails = niceBetween(2 * run.dt, length);
  const speed = choice(speeds.map((each) => [each, `${short(each)} ms per second`]), view.speed, (value) => { view.speed = Number(value); }, "speed");
  const trail = choice(trails.map((each) => [each, `${short(each)} ms`]), view.trail, (value) => act.set({ trail: Number(value) }), "trail");
  const screen = make("div"), others = make("div"), colours = make("div"), keys = make("div"), pinned = make("div", { id: "pinned" });
  home.append(
    group("Time", make("div", { className: "row" }, play), row("speed", speed), row("trail", trail)),
    group("Axes on screen", screen),
    others,
    group("Colour", colours, keys),
    pinned,
    help(),
  );

  function showScreen() {
    const names = run.axes.map((name, axis) => [axis, name]);
    screen.replaceChildren(...["right", "up", "depth"].slice(0, Math.max(2, Math.min(3, run.axes.length))).map((side, index) => {
      const options = index === 0 ? names : [...names, [-1, "none"]];
      return row(side, choice(options, view.screen[index], (value) => act.putOnScreen(index, Number(value)), `axis ${side}`));
    }));
    if (view.screen[2] >= 0) screen.append(tickBox("turn slowly", view.turning, (turning) => act.set({ turning })));
    const rest = run.axes.map((_, axis) => axis).filter((axis) => !view.screen.includes(axis));
    others.replaceChildren(...(rest.length ? [group("Other axes", ...rest.flatMap(otherAxis))] : []));
  }

  function otherAxis(axis) {
    const held = view.others[axis], name = run.axes[axis];
    const mode = choice([["all", "all, overlaid"], ["apart", "all, side by side"], ["slice", "one slice"]], held.mode, (value) => act.other(axis, { mode: value }), `how ${name} is shown`);
    if (held.mode !== "slice") return [row(name, mode)];
    const value = make("span", { className: "value", textContent: held.at });
    const slider = make("input", { type: "range", min: 0, max: run.shape[axis] - 1, value: held.at, ariaLabel: `slice of ${name}` });
    slider.oninput = () => {
      value.textContent = slider.value;
      act.slice(axis, Number(slider.value));
    };
    return [row(name, mode), row("", slider, value)];
  }

  function showColours(ceiling) {
    const radio = (value) => make("label", { className: "tick" }, make("input", {
      type: "radio", name: "colour", value, checked: view.colour === value, onchange: () => act.set({ colour: value }),
    }), value);
    colours.replaceChildren(make("div", { className: "choice" }, radio("population"), radio("rate")), tickBox("quiet neurons", view.quiet, (quiet) => act.set({ quiet })));
    keys.replaceChildren(...(view.colour === "rate" ? [rampBar(ceiling)] : []), ...run.populations.map(populationKey));
  }

  function populationKey(each, index) {
    let spikes = 0;
    for (let neuron = each.first; neuron < each.first + each.n; neuron++) spikes += run.counts[neuron];
    const hz = (1000 * spikes) / (Math.max(1, each.n) * (run.end - run.begin)), swatch = make("i");
    swatch.style.background = view.colour === "rate" ? "#bbbbbb" : each.hue;
    const key = make("button", { className: "population", title: "show or hide", onclick: () => act.hide(index) },
      swatch, make("span", { textContent: each.name, title: `${each.name}, ${each.n} neurons` }), make("small", { textContent: `${short(hz)} Hz` }));
    key.setAttribute("aria-pressed", String(!view.hidden.has(index)));
    return key;
  }

  function rampBar(ceiling) {
    const bar = make("div", { id: "ramp" });
    bar.style.background = `linear-gradient(to right, ${Array.from({ length: 11 }, (_, index) => css(ramp(index / 10))).join(", ")})`;
    return make("div", {}, bar, make("div", { className: "ends" }, make("span", { textContent: "0" }), make("span", { textContent: `${short(ceiling)} Hz` })));
  }

  function showPinned() {
    if (view.pinned < 0) return pinned.replaceChildren();
    const away = make("button", { textContent: "let go", onclick: () => act.pin(-1) });
    pinned.replaceChildren(group("Neuron", ...describe(run, view.pinned, 0), away));
  }

  return {
    showScreen, showColours, showPinned,
    showPlaying: () => { play.textContent = view.playing ? "❚❚  Pause" : "▶  Play"; },
    showTimes: () => { speed.value = String(view.speed); trail.value = String(view.trail); },
    speeds, trails,
  };
}

// A neuron in words: population and index, coordinates, spikes.
function describe(run, neuron, others) {
  const each = run.populations[run.owner[neuron]], axes = run.axes.length;
  const at = run.axes.map((name, axis) => `${name} ${run.site[neuron * axes + axis]}`).join(", ");
  const count = run.counts[neuron];
  const lines = [
    make("p", {}, make("b", { textContent: each.name }), ` neuron ${neuron - each.first}`),
    make("p", { textContent: at }),
    make("p", { textContent: `${count} ${count === 1 ? "spike" : "spikes"}, ${short(run.rates[neuron])} Hz` }),
  ];
  for (const line of lines) line.style.margin = "0";
  if (others) lines.push(make("small", { textContent: `and ${others} more at this point` }));
  return lines;
}

function help() {
  const keys = [
    ["space", "play, pause"], ["← →", "one step back, on"], ["shift ← →", "ten steps"], ["home end", "begin, end"], ["↑ ↓", "faster, slower"],
    ["[ ]", "shorter, longer trail"], [", .", "slice before, after"], ["c", "colour by rate"], ["q", "quiet neurons"], ["t", "turn slowly"], ["+ −", "larger, smaller"], ["r", "reset the view"],
    ["drag", "turn; with shift: move"], ["click", "keep a neuron"],
  ];
  return make("details", {}, make("summary", { textContent: "Keys" }),
    make("dl", {}, ...keys.flatMap(([key, text]) => [make("dt", { textContent: key }), make("dd", { textContent: text })])));
}
