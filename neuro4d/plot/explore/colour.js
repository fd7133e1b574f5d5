// Colours as three numbers from 0 to 255.

const WHITE = [255, 255, 255];

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function mix(from, to, share) {
  return from.map((value, channel) => value + (to[channel] - value) * share);
}

function css(colour) {
  return `rgb(${colour.map(Math.round).join(" ")})`;
}

// From pale to dark, so that on a light page the highest rate stands out most.
const RAMP_STOPS = ["#e6e2a0", "#a3cf86", "#4fb08c", "#2f8192", "#3b5187", "#3b1d57"].map(rgb);

function ramp(share) {
  const place = Math.min(1, Math.max(0, share)) * (RAMP_STOPS.length - 1);
  const below = Math.min(RAMP_STOPS.length - 2, Math.floor(place));
  return mix(RAMP_STOPS[below], RAMP_STOPS[below + 1], place - below);
}

// The rate that gets the darkest colour: the 99th percentile, so that a single neuron does not make the others pale.
function rateCeiling(run) {
  const sorted = Float32Array.from(run.rates).sort();
  const high = sorted[Math.floor(0.99 * (sorted.length - 1))];
  return high > 0 ? high : sorted[sorted.length - 1] || 1;
}
