// The run: what the page carries as text, unpacked into typed arrays.

function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

// take(value) for each packed number: seven bits to a byte, the lowest first; the eighth says that more follow.
// Products, not shifts: a difference of two spikes may have more than 32 bits.
function eachNumber(text, take) {
  let value = 0, scale = 1;
  for (const byte of bytesOf(text)) {
    value += (byte & 127) * scale;
    if (byte > 127) {
      scale *= 128;
    } else {
      take(value);
      value = 0;
      scale = 1;
    }
  }
}

function readRun() {
  const meta = JSON.parse(document.getElementById("data").textContent);
  const { populations, axes, shape, dt, start, steps, spikes } = meta;
  let n = 0;
  for (const each of populations) {
    each.first = n;
    n += each.n;
  }
  const owner = new Uint16Array(n), site = new Uint32Array(n * axes.length);
  populations.forEach((each, index) => owner.fill(index, each.first, each.first + each.n));
  let at = 0;
  eachNumber(meta.sites, (value) => { site[at++] = value; });
  const neuron = new Uint32Array(spikes), step = new Uint32Array(spikes), counts = new Uint32Array(n);
  let key = 0, event = 0;
  eachNumber(meta.events, (difference) => {
    key += difference;
    step[event] = Math.floor(key / n);
    neuron[event] = key - step[event] * n;
    counts[neuron[event++]]++;
  });
  // Births and deaths: the neuron changes sides when so many steps have ended; all are taken to live before.
  const flips = [];
  key = 0;
  eachNumber(meta.flips, (difference) => {
    key += difference;
    flips.push({ step: Math.floor(key / n), neuron: key % n });
  });
  const seconds = (steps * dt) / 1000;
  const rates = Float32Array.from(counts, (count) => count / seconds);
  return {
    title: meta.title, populations, axes, shape, dt, start, steps, spikes, n, owner, site, neuron, step, counts, rates, flips,
    begin: start * dt, end: (start + steps) * dt,
  };
}

// The first spike after `step` (counted from the beginning of the run), by bisection.
function spikeAfter(run, step) {
  let low = 0, high = run.spikes;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.step[middle] > step) high = middle;
    else low = middle + 1;
  }
  return low;
}

// How many steps have ended at a time; a spike is there from the end of its step on.
function stepsAt(run, time) {
  return Math.floor((time - run.begin) / run.dt + 1e-6);
}

// Spikes per bin and population, as rates in Hz; the last bin may be shorter.
function histogram(run, most) {
  const width = Math.max(1, Math.ceil(run.steps / most)), bins = Math.ceil(run.steps / width);
  const rates = run.populations.map(() => new Float64Array(bins));
  for (let event = 0; event < run.spikes; event++) {
    rates[run.owner[run.neuron[event]]][Math.floor(run.step[event] / width)]++;
  }
  rates.forEach((row, index) => {
    for (let bin = 0; bin < bins; bin++) {
      const steps = Math.min(width, run.steps - bin * width);
      row[bin] *= 1000 / (steps * run.dt * Math.max(1, run.populations[index].n));
    }
  });
  return { rates, bins, width };
}

// 1, 2 or 5 times a power of ten, at or above a positive number.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return Number([1, 2, 5, 10].map((each) => each * power).find((each) => each >= value * (1 - 1e-9)).toPrecision(6));
}

// Such numbers between two, both ends included.
function niceBetween(low, high) {
  const found = [];
  for (let each = nice(low); each < high * (1 - 1e-9); each = nice(each * 1.5)) found.push(each);
  found.push(nice(high));
  return found;
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}
