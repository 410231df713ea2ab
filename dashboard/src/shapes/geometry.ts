/** What is drawn: the shapes that a result can hold, as values. Twin of algos/geometry.py. */

export type Units = "shares" | "pixels";
export type Vertex = readonly [x: number, y: number];

/** What is said of a shape; empty texts and null where nothing is. */
export interface Tag {
  readonly label: string;
  readonly score: number | null;
  readonly id: string;
}

export const NO_TAG: Tag = { label: "", score: null, id: "" };

export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly tag: Tag;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly tag: Tag;
}

/** A closed outline of three vertices or more, or an open line of two or more. */
export interface Stroke {
  readonly vertices: readonly Vertex[];
  readonly tag: Tag;
}

/** What holds for the whole picture; `name` or `value` may be empty. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

export interface Shapes {
  readonly boxes: readonly Box[];
  readonly points: readonly Point[];
  readonly polygons: readonly Stroke[];
  readonly lines: readonly Stroke[];
  readonly facts: readonly Fact[];
  readonly units: Units;
  /** Width and height of the picture that pixels are counted in, where the result says so. */
  readonly size: Vertex | null;
  /** Whether there was more than the limits allow. */
  readonly more: boolean;
}

/** A score as a person reads it; empty without one. */
export function saidScore(score: number | null): string {
  return score === null ? "" : Math.abs(score) <= 1 ? hundredths(score) : general(score);
}

const TAIL = 30; // further digits, by which a half is told from what is only near it

/** Of two equally near the one that ends evenly, as Python has it; JavaScript takes the larger one. */
function even(near: string, longer: string): string {
  const kept = longer.slice(0, -TAIL);
  return /[02468]$/.test(kept) && /^50*$/.test(longer.slice(-TAIL)) ? kept : near;
}

function hundredths(value: number): string {
  return even(value.toFixed(2), value.toFixed(2 + TAIL));
}

/** Four digits that count, as Python's `.4g` has them. */
export function general(value: number): string {
  if (value === 0) return "0";
  const [near = "", exponent = "0"] = value.toExponential(3).split("e");
  const [longer = "", plainly] = value.toExponential(3 + TAIL).split("e");
  const digits = exponent === plainly ? even(near, longer) : near; // else it was rounded up to a power of ten
  const power = Number(exponent);
  const short = (text: string) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < 4) return short(Number(`${digits}e${power}`).toFixed(3 - power));
  const size = String(Math.abs(power)).padStart(2, "0");
  return `${short(digits)}e${power < 0 ? "-" : "+"}${size}`;
}

/** One short line, such as "person 0.93 #12". */
export function textOf(tag: Tag): string {
  return [tag.label, saidScore(tag.score), tag.id ? `#${tag.id}` : ""].filter(Boolean).join(" ");
}
