// Boxes around the lattice, and what is written at them.

const FONT = '"DejaVu Sans", system-ui, sans-serif';

// The corner of a box by three bits, projected.
function corner(scene, sight, panel, bits) {
  const out = [0, 0, 0], [x, y, z] = scene.box.map((length, side) => (bits >> side & 1 ? 0.5 : -0.5) * length);
  sight.project(x, y, z, panel, out, 0);
  return out;
}

// The edges of a box: pairs of corners that differ in one bit; a flat box has four.
function edgesOf(scene) {
  const found = [];
  for (let side = 0; side < (scene.flat ? 2 : 3); side++) {
    for (let bits = 0; bits < (scene.flat ? 4 : 8); bits++) if (!(bits >> side & 1)) found.push([side, bits, bits | (1 << side)]);
  }
  return found;
}

// Over the neurons, where only what is lighter than a line takes its colour: neurons stay in front.
function drawBoxes(context, view, scene, sight) {
  context.lineWidth = view.density;
  context.globalCompositeOperation = "darken";
  for (let panel = 0; panel < scene.panels.count; panel++) {
    const corners = Array.from({ length: 8 }, (_, bits) => corner(scene, sight, panel, bits));
    for (const [, from, to] of edgesOf(scene)) {
      const [a, b] = [corners[from], corners[to]];
      context.strokeStyle = scene.flat || a[2] + b[2] < 0 ? "#cfcfcf" : "#e9e9e9";
      context.beginPath();
      context.moveTo(a[0], a[1]);
      context.lineTo(b[0], b[1]);
      context.stroke();
    }
  }
  context.globalCompositeOperation = "source-over";
}

// Over each panel what it shows; in a table over the columns and beside the rows, as many as there is room for.
function drawTitles(context, view, scene, sight) {
  const { panels } = scene;
  if (panels.count < 2) return;
  context.font = `${12 * view.density}px ${FONT}`;
  context.fillStyle = "#333333";
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const top = (panel) => {
    let found = Infinity;
    for (let bits = 0; bits < 8; bits++) found = Math.min(found, corner(scene, sight, panel, bits)[1]);
    return Math.max(34 * view.density, found - 5 * view.density);
  };
  if (panels.apart.length === 1) {
    panels.titles.forEach((title, panel) => context.fillText(title, sight.centres[panel][0], top(panel)));
    return;
  }
  const every = (titles, room) => Math.max(1, Math.ceil(Math.max(...titles.map((title) => context.measureText(title).width + 6 * view.density)) / room));
  const step = panels.columns > 1 ? every(panels.across, sight.centres[1][0] - sight.centres[0][0]) : 1;
  panels.across.forEach((title, column) => {
    if (column % step === 0) context.fillText(title, sight.centres[column][0], top(column));
  });
  context.textAlign = "right";
  context.textBaseline = "middle";
  panels.down.forEach((title, row) => {
    const panel = row * panels.columns;
    context.fillText(title, Math.max(sight.left - 6 * view.density, corner(scene, sight, panel, 0)[0] - 6 * view.density), sight.centres[panel][1]);
  });
}

// Names of axes and their first and last coordinates, at the edges that face the reader: below, and on the left for the upright one.
function drawNames(context, run, view, scene, sight) {
  const panel = (scene.panels.rows - 1) * scene.panels.columns, middle = sight.centres[panel];
  context.textBaseline = "middle";
  context.textAlign = "center";
  view.screen.forEach((axis, side) => {
    // The left of a table belongs to the titles of its rows.
    if (axis < 0 || (side === 1 && scene.panels.apart.length > 1)) return;
    const edges = edgesOf(scene).filter((each) => each[0] === side).map(([, from, to]) => {
      const a = corner(scene, sight, panel, from), b = corner(scene, sight, panel, to);
      return { a, b, x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
    });
    const edge = edges.reduce((best, each) => ((side === 1 ? each.x < best.x : each.y > best.y) ? each : best));
    const length = Math.hypot(edge.b[0] - edge.a[0], edge.b[1] - edge.a[1]);
    if (length < 30 * view.density) return;
    // Away from the middle of the box; a line has its middle on the edge, and is written under.
    const away = Math.hypot(edge.x - middle[0], edge.y - middle[1]);
    const shift = away < 1 ? [0, 1] : [(edge.x - middle[0]) / away, (edge.y - middle[1]) / away];
    const write = (text, [x, y], gap) => context.fillText(text, x + shift[0] * gap * view.density, y + shift[1] * gap * view.density);
    context.fillStyle = "#333333";
    context.font = `italic ${13 * view.density}px ${FONT}`;
    write(run.axes[axis], [edge.x, edge.y], 15);
    context.fillStyle = "#8a8a8a";
    context.font = `${10.5 * view.density}px ${FONT}`;
    const inward = (from, to) => [from[0] + (to[0] - from[0]) * 0.06, from[1] + (to[1] - from[1]) * 0.06];
    write("0", inward(edge.a, edge.b), 12);
    if (run.shape[axis] > 1) write(String(run.shape[axis] - 1), inward(edge.b, edge.a), 12);
  });
}
