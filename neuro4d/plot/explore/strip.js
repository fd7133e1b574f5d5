// Rates over time below the scene, which is also the slider of time.

function makeStrip(run, view, canvas) {
  const context = canvas.getContext("2d"), counted = histogram(run, 300), plate = document.createElement("canvas");
  const scale = run.end - run.begin >= 5000 ? 1000 : 1, unit = scale === 1000 ? "s" : "ms";
  let frame = null;

  function resize() {
    const bounds = canvas.getBoundingClientRect(), density = view.density;
    canvas.width = plate.width = Math.max(1, Math.round(bounds.width * density));
    canvas.height = plate.height = Math.max(1, Math.round(bounds.height * density));
    frame = { left: 52, right: bounds.width - 14, top: 10, bottom: bounds.height - 26, density };
    redraw();
  }

  const across = (time) => frame.left + ((time - run.begin) / (run.end - run.begin)) * (frame.right - frame.left);
  const timeAt = (x) => run.begin + Math.min(1, Math.max(0, (x - frame.left) / (frame.right - frame.left))) * (run.end - run.begin);

  // One line per population while colours can tell them apart, else one for all neurons that are not hidden.
  function lines() {
    const seen = run.populations.map((_, index) => index).filter((index) => !view.hidden.has(index));
    if (seen.length <= 8) return seen.map((index) => ({ row: counted.rates[index], hue: run.populations[index].hue }));
    const total = seen.reduce((sum, index) => sum + run.populations[index].n, 0), row = new Float64Array(counted.bins);
    for (const index of seen) counted.rates[index].forEach((rate, bin) => { row[bin] += (rate * run.populations[index].n) / total; });
    return [{ row, hue: "#333333" }];
  }

  function redraw() {
    const pen = plate.getContext("2d"), drawn = lines();
    pen.setTransform(frame.density, 0, 0, frame.density, 0, 0);
    pen.clearRect(0, 0, plate.width, plate.height);
    const highest = drawn.reduce((high, { row }) => row.reduce((a, b) => Math.max(a, b), high), 0), top = highest > 0 ? nice(highest) : 1;
    axes(pen, top);
    for (const { row, hue } of drawn) {
      pen.beginPath();
      for (let bin = 0; bin < counted.bins; bin++) {
        const y = frame.bottom - (row[bin] / top) * (frame.bottom - frame.top);
        pen.lineTo(across(run.begin + bin * counted.width * run.dt), y);
        pen.lineTo(across(run.begin + Math.min(run.steps, (bin + 1) * counted.width) * run.dt), y);
      }
      pen.strokeStyle = hue;
      pen.lineWidth = 1.2;
      pen.stroke();
      pen.lineTo(frame.right, frame.bottom);
      pen.lineTo(frame.left, frame.bottom);
      pen.fillStyle = `${hue}1c`;
      pen.fill();
    }
    if (view.pinned >= 0) spikesOf(pen, view.pinned);
  }

  function axes(pen, top) {
    pen.font = '11px "DejaVu Sans", system-ui, sans-serif';
    pen.fillStyle = "#7a7a7a";
    pen.strokeStyle = "#cccccc";
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(frame.left, frame.bottom + 0.5);
    pen.lineTo(frame.right, frame.bottom + 0.5);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const span = (run.end - run.begin) / scale, every = nice(span / Math.max(2, (frame.right - frame.left) / 110));
    const first = Math.ceil(run.begin / scale / every - 1e-9);
    for (let tick = first; tick * every <= run.end / scale + 1e-9 * span; tick++) {
      const x = across(tick * every * scale), last = (tick + 1) * every > run.end / scale + 1e-9 * span;
      pen.moveTo(x, frame.bottom);
      pen.lineTo(x, frame.bottom + 4);
      pen.fillText(short(tick * every) + (last ? ` ${unit}` : ""), Math.min(x, frame.right - 16), frame.bottom + 7);
    }
    pen.stroke();
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(`${short(top)} Hz`, frame.left - 6, frame.top + 3);
    pen.fillText("0", frame.left - 6, frame.bottom - 3);
  }

  function spikesOf(pen, neuron) {
    pen.fillStyle = "#333333";
    for (let event = 0; event < run.spikes; event++) {
      if (run.neuron[event] === neuron) pen.fillRect(across(run.begin + (run.step[event] + 1) * run.dt) - 0.5, frame.top - 6, 1, 9);
    }
  }

  function draw() {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(frame.density, 0, 0, frame.density, 0, 0);
    const now = across(view.time), from = across(Math.max(run.begin, view.time - view.trail));
    context.fillStyle = "#3333331a";
    context.fillRect(from, frame.top, now - from, frame.bottom - frame.top);
    context.drawImage(plate, 0, 0, plate.width / frame.density, plate.height / frame.density);
    context.fillStyle = "#333333";
    context.fillRect(now - 0.75, frame.top - 4, 1.5, frame.bottom - frame.top + 8);
    canvas.setAttribute("aria-valuemin", run.begin);
    canvas.setAttribute("aria-valuemax", run.end);
    canvas.setAttribute("aria-valuenow", view.time);
    canvas.setAttribute("aria-valuetext", `${short(view.time)} ms`);
  }

  return { resize, redraw, draw, timeAt };
}
