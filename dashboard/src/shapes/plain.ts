/** What JSON and msgpack cannot say by themselves (docs/mqtt.md, Results): bytes and arrays. */

const DEPTH = 32;
const SIDES = 64; // of an array, numpy's own limit
const MOST = 100_000; // items of an array that is looked into; a larger one is a picture, a mask, a heat map

/** An array of numbers too large to be a list in the page: only its shape is told. */
export class Block {
  constructor(
    readonly dtype: string,
    readonly shape: readonly number[],
  ) {}

  toString(): string {
    return `${this.dtype} array ${this.shape.join("×")}`;
  }
}

/** A tree with its tagged values untagged: `__bin__` as bytes, `__nd__` as nested lists. Raises on no tree. */
export function plain(value: unknown, depth = DEPTH): unknown {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth - 1));
  const map = value as Record<string, unknown>;
  const keys = Object.keys(map).length;
  if (keys === 1 && typeof map.__bin__ === "string") return bytesOf(map.__bin__) ?? value;
  if (keys === 4 && map.__nd__ === 1) return arrayOf(map) ?? value;
  return Object.fromEntries(Object.entries(map).map(([key, item]) => [key, plain(item, depth - 1)]));
}

/** null when it is not all base64 with its padding, which `atob` alone would forgive. */
function bytesOf(base64: string): Uint8Array | null {
  if (base64.length % 4 !== 0 || /[^A-Za-z0-9+/=]/.test(base64)) return null;
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

type Reader = (view: DataView, at: number) => number | boolean;

const READERS: Record<string, Reader> = {
  b1: (view, at) => view.getUint8(at) !== 0,
  i1: (view, at) => view.getInt8(at),
  u1: (view, at) => view.getUint8(at),
  i2: (view, at) => view.getInt16(at, true),
  u2: (view, at) => view.getUint16(at, true),
  i4: (view, at) => view.getInt32(at, true),
  u4: (view, at) => view.getUint32(at, true),
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  f2: (view, at) => half(view.getUint16(at, true)),
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
};

/** An IEEE 754 number of 16 bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** null when it is none after all. */
function arrayOf({ dtype, shape, data }: Record<string, unknown>): unknown {
  if (typeof dtype !== "string" || !Array.isArray(shape) || shape.length > SIDES) return null;
  const bytes = typeof data === "string" ? bytesOf(data) : data;
  const type = dtype.replace(/^[<|=]/, "");
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (!(bytes instanceof Uint8Array) || read === undefined) return null;
  if (!shape.every((side) => Number.isInteger(side) && side >= 0)) return null;
  const width = Number(type.slice(1));
  let count = 1;
  let lists = 1; // as many as there would be of one depth: [1e9, 0] is of no items
  for (const side of shape) {
    count *= side;
    lists = Math.max(lists, count);
  }
  if (bytes.length !== count * width) return null;
  if (lists > MOST) return new Block(type, shape);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const nested = (sides: readonly number[]): unknown => {
    const [side, ...rest] = sides;
    if (side === undefined) {
      const item = read(view, at);
      at += width;
      return item;
    }
    return Array.from({ length: side }, () => nested(rest));
  };
  return nested(shape);
}
