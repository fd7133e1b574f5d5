// Discs drawn straight into the pixels: the same on every machine, with or without a graphics card.

const SUB = 4;
const sprites = new Map();

// How much of each pixel a disc covers, from 0 to 256, for its radius and its centre in quarters of a pixel; and where each row begins and ends.
function sprite(quarters, right, down) {
  const name = (quarters * SUB + right) * SUB + down, known = sprites.get(name);
  if (known) return known;
  const radius = quarters / 4, reach = Math.ceil(radius + 1), side = 2 * reach + 1;
  const cover = new Uint16Array(side * side), first = new Uint8Array(side).fill(side), last = new Uint8Array(side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const distance = Math.hypot(column - reach - right / SUB, row - reach - down / SUB);
      const share = Math.round(256 * Math.min(1, Math.max(0, radius + 0.5 - distance)));
      cover[row * side + column] = share;
      if (share) {
        first[row] = Math.min(first[row], column);
        last[row] = column + 1;
      }
    }
  }
  const made = { reach, side, cover, first, last };
  sprites.set(name, made);
  return made;
}

// Whether the byte of red comes first in a number of four bytes, as it does on nearly every machine.
const RED_LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function pixel(red, green, blue) {
  return RED_LOW ? (255 << 24) | (blue << 16) | (green << 8) | red : (red << 24) | (green << 16) | (blue << 8) | 255;
}

// Blends a disc of a colour (a `pixel`) over opaque pixels; `strength` from 0 to 1.
// A pixel is blended as two pairs of bytes, every second one: a product with at most 256 stays within its pair.
function disc(target, x, y, radius, colour, strength) {
  const { pixels, width, height } = target, left = Math.floor(x), top = Math.floor(y), weight = Math.round(strength * 256);
  const { reach, side, cover, first, last } = sprite(Math.max(2, Math.round(radius * 4)), Math.floor((x - left) * SUB), Math.floor((y - top) * SUB));
  const even = colour & 0xff00ff, odd = (colour >>> 8) & 0xff00ff;
  const begin = Math.max(0, reach - top), end = Math.min(side, height + reach - top);
  for (let row = begin; row < end; row++) {
    const from = Math.max(first[row], reach - left), to = Math.min(last[row], width + reach - left);
    let at = (top - reach + row) * width + left - reach + from;
    for (let place = row * side + from, stop = row * side + to; place < stop; place++, at++) {
      const share = (cover[place] * weight) >> 8;
      if (share >= 256) {
        pixels[at] = colour;
        continue;
      }
      const old = pixels[at], keep = 256 - share;
      const low = ((Math.imul(old & 0xff00ff, keep) + Math.imul(even, share)) >>> 8) & 0xff00ff;
      const high = (Math.imul((old >>> 8) & 0xff00ff, keep) + Math.imul(odd, share)) & 0xff00ff00;
      pixels[at] = low | high;
    }
  }
}

// Pixels that discs can be drawn into, all of them opaque, and the image that shows them.
function surface(width, height) {
  const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  return { image, pixels, width, height, clear: () => pixels.fill(pixel(255, 255, 255)) };
}
