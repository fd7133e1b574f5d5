// The picture of one moment: boxes, quiet neurons, neurons that fired within the trail, names of axes.

function makeScene(run, view, canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const level = new Float32Array(run.n), active = new Uint32Array(run.n), order = new Uint32Array(run.n);
  const slot = new Int32Array(run.n), point = new Float32Array(3 * run.n);
  const ceiling = rateCeiling(run), hues = run.populations.map((each) => rgb(each.hue));
  const byRate = Array.from({ length: 256 }, (_, index) => ramp(index / 255));
  // A colour and, for spikes, the same darker: the fresher the spike, the darker.
  const shades = (colours) => Array.from({ length: 9 }, (_, dark) => colours.map((each) => pixel(...mix(each, [0, 0, 0], 0.05 * dark).map(Math.round))));
  const hueShades = shades(hues), rateShades = shades(byRate);
  const dead = new Uint8Array(run.n);
  let scene = null, sight = null, ground = null, front = null, moved = true, stale = true, flipped = 0, present = 0;

  // Who lives at the present moment: flips are passed one by one, and from the beginning when time has gone back.
  function live(now) {
    const before = flipped;
    if (flipped > 0 && run.flips[flipped - 1].step > now) {
      dead.fill(0);
      flipped = 0;
    }
    for (; flipped < run.flips.length && run.flips[flipped].step <= now; flipped++) dead[run.flips[flipped].neuron] ^= 1;
    if (flipped !== before) moved = true;
  }

  function resize() {
    const density = Math.min(2, window.devicePixelRatio || 1), bounds = canvas.getBoundingClientRect();
    view.density = density;
    canvas.width = Math.max(1, Math.round(bounds.width * density));
    canvas.height = Math.max(1, Math.round(bounds.height * density));
    ground = surface(canvas.width, canvas.height);
    front = surface(canvas.width, canvas.height);
    stale = true;
  }

  function place() {
    if (stale) {
      scene = arrange(run, view, canvas.width / canvas.height);
      slot.fill(-1);
      for (let index = 0; index < scene.count; index++) slot[scene.neurons[index]] = index;
    }
    if (!(stale || moved)) return;
    sight = camera(view, scene, canvas.width, canvas.height);
    for (let index = 0; index < scene.count; index++) {
      const at = 3 * index;
      sight.project(scene.place[at], scene.place[at + 1], scene.place[at + 2], scene.panel[index], point, at);
    }
    drawGround();
    stale = moved = false;
  }

  const colourOf = (neuron, dark) =>
    view.colour === "rate" ? rateShades[dark][Math.min(255, Math.round((255 * run.rates[neuron]) / ceiling))] : hueShades[dark][run.owner[neuron]];
  const nearness = (depth) => (scene.flat ? 1 : Math.min(1, Math.max(0, 0.5 - depth / 1.7)));
  const radius = () => Math.min(5 * view.density, Math.max(1.1 * view.density, (0.15 * sight.size) / scene.longest));

  // What stays while time passes: quiet neurons. Drawn again only when the view changes, or who lives.
  function drawGround() {
    ground.clear();
    present = scene.count - scene.neurons.reduce((sum, neuron) => sum + dead[neuron], 0);
    if (!view.quiet) return;
    const base = radius(), plain = view.colour === "rate" ? 0.9 : 0.4;
    for (let index = 0; index < scene.count; index++) {
      if (dead[scene.neurons[index]]) continue;
      const at = 3 * index, near = nearness(point[at + 2]);
      disc(ground, point[at], point[at + 1], base * (0.8 + 0.4 * near), colourOf(scene.neurons[index], 0), plain * (0.35 + 0.65 * near));
    }
  }

  // How fresh the last spike of each neuron is, 1 now and 0 at the end of the trail.
  function light() {
    const now = stepsAt(run, view.time), first = Math.max(-1, now - 1 - Math.max(1, Math.round(view.trail / run.dt)));
    let count = 0;
    const last = spikeAfter(run, now - 1);
    for (let event = spikeAfter(run, first); event < last; event++) {
      const neuron = run.neuron[event];
      if (slot[neuron] < 0 || dead[neuron]) continue;
      if (level[neuron] === 0) active[count++] = neuron;
      const age = view.time - run.begin - (run.step[event] + 1) * run.dt;
      level[neuron] = Math.min(1, Math.max(0.02, 1 - age / view.trail));
    }
    return count;
  }

  // Far ones first: sorted into 64 layers of depth.
  function sortByDepth(count) {
    const starts = new Uint32Array(65), layer = (neuron) => Math.min(63, Math.floor(nearness(point[3 * slot[neuron] + 2]) * 64));
    for (let index = 0; index < count; index++) starts[layer(active[index]) + 1]++;
    for (let index = 1; index < 65; index++) starts[index] += starts[index - 1];
    for (let index = 0; index < count; index++) order[starts[layer(active[index])]++] = active[index];
  }

  function draw() {
    live(stepsAt(run, view.time));
    place();
    front.pixels.set(ground.pixels);
    const count = light(), base = radius();
    sortByDepth(count);
    for (let index = 0; index < count; index++) {
      const neuron = order[index], at = 3 * slot[neuron], near = nearness(point[at + 2]), fresh = level[neuron];
      const large = base * (0.8 + 0.4 * near) * (1.1 + 1.3 * fresh);
      const rate = view.colour === "rate";
      // A colour that says a rate is not darkened; there a spike is only larger.
      const strength = (rate ? 0.6 + 0.4 * fresh : 0.25 + 0.75 * fresh) * (0.6 + 0.4 * near);
      disc(front, point[at], point[at + 1], large, colourOf(neuron, rate ? 0 : Math.round(8 * fresh)), strength);
      level[neuron] = 0;
    }
    context.putImageData(front.image, 0, 0);
    drawBoxes(context, view, scene, sight);
    drawTitles(context, view, scene, sight);
    drawNames(context, run, view, scene, sight);
    for (const neuron of [view.pinned, view.hover]) if (neuron >= 0 && slot[neuron] >= 0) ring(neuron, base);
    return { neurons: present, active: count };
  }

  function ring(neuron, base) {
    const at = 3 * slot[neuron];
    context.beginPath();
    context.arc(point[at], point[at + 1], base * 2.4 + 3 * view.density, 0, 2 * Math.PI);
    context.lineWidth = 1.5 * view.density;
    context.strokeStyle = "#333333";
    context.stroke();
  }

  // The neuron under the pointer, in CSS pixels: the nearest one, of those at one place the foremost; and how many share the place.
  function pick(x, y) {
    let best = -1, score = Infinity, others = 0;
    const reach = 9 * view.density;
    for (let index = 0; index < scene.count; index++) {
      const at = 3 * index, distance = Math.hypot(point[at] - x * view.density, point[at + 1] - y * view.density);
      if (distance > reach || dead[scene.neurons[index]]) continue;
      const value = distance + 2 * view.density * point[at + 2];
      if (value < score) [best, score] = [index, value];
    }
    if (best < 0) return { neuron: -1, others };
    for (let index = 0; index < scene.count; index++) {
      const close = Math.abs(point[3 * index] - point[3 * best]) + Math.abs(point[3 * index + 1] - point[3 * best + 1]);
      if (index !== best && close < 0.5 && !dead[scene.neurons[index]]) others++;
    }
    return { neuron: scene.neurons[best], others };
  }

  // Where a neuron is on the canvas, in CSS pixels; null where it is not drawn.
  function where(neuron) {
    const at = 3 * slot[neuron];
    return at < 0 ? null : { x: point[at] / view.density, y: point[at + 1] / view.density };
  }

  return {
    resize, draw, pick, where, ceiling,
    turned: () => { moved = true; },
    rearranged: () => { stale = true; },
  };
}
