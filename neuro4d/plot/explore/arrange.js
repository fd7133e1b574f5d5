// Where neurons are before the view is turned: the panel of each, and its place in a box around the origin.

const PANELS = 12;

// Axes that are not on screen and that are spread over panels; at most two, one over columns and one over rows.
function apartAxes(run, view) {
  return run.axes.map((_, axis) => axis).filter((axis) => !view.screen.includes(axis) && view.others[axis].mode === "apart");
}

// Bounds of the slabs into which an axis is cut.
function slabs(extent) {
  const count = Math.min(extent, PANELS);
  return Array.from({ length: count + 1 }, (_, index) => Math.floor((index * extent) / count));
}

function slabOf(bounds, coordinate) {
  let index = Math.min(bounds.length - 2, Math.floor((coordinate * (bounds.length - 1)) / bounds[bounds.length - 1]));
  while (coordinate < bounds[index]) index--;
  while (coordinate >= bounds[index + 1]) index++;
  return index;
}

function slabText(run, axis, bounds, index) {
  const first = bounds[index], last = bounds[index + 1] - 1;
  return `${run.axes[axis]} = ${first === last ? first : `${first}–${last}`}`;
}

// Rows and columns of panels: one axis is folded into the page as it fits, two make a table.
function panelsOf(run, view, aspect) {
  const apart = apartAxes(run, view), bounds = apart.map((axis) => slabs(run.shape[axis]));
  const counts = bounds.map((each) => each.length - 1);
  if (apart.length === 0) return { apart, bounds, columns: 1, rows: 1, titles: [""], count: 1 };
  if (apart.length === 1) {
    const fits = (columns) => Math.min(aspect / columns, 1 / Math.ceil(counts[0] / columns));
    let columns = 1;
    for (let each = 2; each <= counts[0]; each++) if (fits(each) > fits(columns) + 1e-9) columns = each;
    const titles = Array.from({ length: counts[0] }, (_, index) => slabText(run, apart[0], bounds[0], index));
    return { apart, bounds, columns, rows: Math.ceil(counts[0] / columns), titles, count: counts[0] };
  }
  const [across, down] = apart.map((axis, index) => Array.from({ length: counts[index] }, (_, slab) => slabText(run, axis, bounds[index], slab)));
  return { apart, bounds, columns: counts[0], rows: counts[1], across, down, count: counts[0] * counts[1] };
}

// The neurons that the choices leave, with their places: x to the right, y up, z into the page, the longest axis 1 long.
function arrange(run, view, aspect) {
  const panels = panelsOf(run, view, aspect), axes = run.axes.length, screen = view.screen.filter((axis) => axis >= 0);
  const cuts = run.axes.map((_, axis) => axis).filter((axis) => !screen.includes(axis) && view.others[axis].mode === "slice");
  const longest = Math.max(...screen.map((axis) => run.shape[axis]));
  const neurons = new Uint32Array(run.n), panel = new Uint16Array(run.n), place = new Float32Array(3 * run.n);
  let count = 0;
  for (let neuron = 0; neuron < run.n; neuron++) {
    const at = neuron * axes;
    if (view.hidden.has(run.owner[neuron]) || cuts.some((axis) => run.site[at + axis] !== view.others[axis].at)) continue;
    view.screen.forEach((axis, side) => {
      place[3 * count + side] = axis < 0 ? 0 : (run.site[at + axis] + 0.5 - run.shape[axis] / 2) / longest;
    });
    const [column, row] = panels.apart.map((axis, index) => slabOf(panels.bounds[index], run.site[at + axis]));
    panel[count] = (row ?? 0) * panels.columns + (column ?? 0);
    neurons[count++] = neuron;
  }
  const box = view.screen.map((axis) => (axis < 0 ? 0 : run.shape[axis] / longest));
  return { panels, neurons: neurons.subarray(0, count), panel, place, count, box, longest, flat: view.screen[2] < 0 };
}

// A projection for a canvas of some size: every place of every panel to pixels and a depth.
function camera(view, scene, width, height) {
  const { panels, box, flat } = scene, table = panels.apart.length > 1;
  // Room for what is written around: the count of neurons and titles above, names of axes below and on the left.
  const left = (table ? 62 : 30) * view.density, head = (table ? 44 : 24) * view.density, foot = 24 * view.density;
  const title = panels.count > 1 && !table ? 20 * view.density : 0;
  const wide = (width - left - 14 * view.density) / panels.columns, tall = (height - head - foot) / panels.rows;
  const span = flat ? [box[0] * 1.12, box[1] * 1.12] : [Math.hypot(box[0], box[2]) * 1.06, box[1] * 0.9 + Math.hypot(box[0], box[2]) * 0.5];
  const size = Math.min(wide / span[0], (tall - title) / span[1]) * view.zoom;
  const yaw = flat ? 0 : view.yaw, pitch = flat ? 0 : view.pitch;
  const cosine = [Math.cos(yaw), Math.cos(pitch)], sine = [Math.sin(yaw), Math.sin(pitch)];
  const centre = (panel) => {
    const x = left + ((panel % panels.columns) + 0.5) * wide, y = head + (Math.floor(panel / panels.columns) + 0.5) * tall + title / 2;
    return [width / 2 + (x - width / 2) * view.zoom + view.pan[0] * view.density, height / 2 + (y - height / 2) * view.zoom + view.pan[1] * view.density];
  };
  const centres = Array.from({ length: panels.columns * panels.rows }, (_, panel) => centre(panel));
  return {
    size, centres, left,
    // Writes x, y and the distance from the viewer (about -0.9 to 0.9) to three places of `out`.
    project(x, y, z, panel, out, at) {
      const turned = x * cosine[0] + z * sine[0], away = z * cosine[0] - x * sine[0];
      const up = y * cosine[1] + away * sine[1], depth = away * cosine[1] - y * sine[1];
      const near = flat ? 1 : 1 / (1 + 0.3 * depth);
      out[at] = centres[panel][0] + size * turned * near;
      out[at + 1] = centres[panel][1] - size * up * near;
      out[at + 2] = depth;
    },
  };
}
