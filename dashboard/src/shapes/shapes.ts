/** What can be drawn of a result, found by the names of keys (docs/result-shapes.md). Twin of algos/shapes.py. */

import {
  type Box,
  type Fact,
  general,
  NO_TAG,
  type Point,
  type Shapes,
  type Stroke,
  saidScore,
  type Tag,
  type Units,
  type Vertex,
} from "./geometry";
import {
  asLabel,
  asMapping,
  asNumber,
  asRow,
  asRows,
  asSequence,
  asText,
  type Mapping,
  type Row,
  whole,
} from "./values";

export type { Shapes } from "./geometry";

const MAX_SHAPES = 1000;
const MAX_VERTICES = 20_000;
const MAX_FACTS = 24;
const MAX_STEPS = 20_000; // values looked at
const MAX_DEPTH = 16; // containers within containers
const SHARES_UP_TO = 2; // larger coordinates are pixels; what is foreseen may lie beyond the picture

const LABEL = ["label", "class_name", "name", "class", "category", "text"];
const SCORE = ["score", "confidence", "conf", "probability"];
const ID = ["id", "track_id"];
const LABELS = ["labels", "class_names", "names", "classes"];
const SCORES = ["scores", "confidences"];
const IDS = ["ids", "track_ids"];
const TAGS = [...LABEL, ...SCORE, ...ID, ...LABELS, ...SCORES, ...IDS];
const BOXES = new Set(["box", "bbox", "xyxy", "boxes", "bboxes", "detections", "objects", "regions"]);
const POINTS = new Set(["point", "points", "center", "centre", "centroid", "keypoints", "landmarks"]);
const POLYGONS = new Set(["polygon", "polygons", "corners", "contour", "contours", "outline"]);
const LINES = new Set(["line", "lines", "path", "paths", "trail", "trails"]);
const CORNERS = ["x1", "y1", "x2", "y2"];
const EXTENTS = [
  ["x", "y", "width", "height"],
  ["x", "y", "w", "h"],
];
const BOX = 4; // numbers
const CLOSED = 3; // vertices
const OPEN = 2;

/** What can be drawn of `result`; nothing where there is nothing. Raises on no tree. */
export function shapesIn(result: unknown): Shapes {
  const reader = new Reader();
  const bare = asSequence(result);
  const rows = (asSequence(bare?.[0]) ?? []).length > 0;
  if (!(rows && reader.boxesIn(result, NO_TAG, new Map(), true))) reader.walk(result, "", 0, false);
  const root = asMapping(result);
  const said = asText(root?.get("units"));
  const units: Units | null = said === "shares" || said === "pixels" ? said : null;
  const size = asRow(root?.get("size"), 2, 2);
  return {
    boxes: reader.boxes,
    points: reader.points,
    polygons: reader.polygons,
    lines: reader.lines,
    facts: reader.facts,
    units: units ?? (reader.largest > SHARES_UP_TO ? "pixels" : "shares"),
    size: size !== null && Math.min(...size) >= 1 ? [size[0] as number, size[1] as number] : null,
    more: reader.more,
  };
}

/** Walks one result, and keeps what it finds. */
class Reader {
  readonly boxes: Box[] = [];
  readonly points: Point[] = [];
  readonly polygons: Stroke[] = [];
  readonly lines: Stroke[] = [];
  readonly facts: Fact[] = [];
  largest = 0;
  more = false;
  #steps = 0;
  #vertices = 0;

  /** A value that is no shape by its name; what is in no list is a fact, if it can be one. */
  walk(value: unknown, path: string, depth: number, listed: boolean): void {
    this.#steps += 1;
    if (depth > MAX_DEPTH || this.#steps > MAX_STEPS) {
      this.more = true;
      return;
    }
    const mapping = asMapping(value);
    const items = asSequence(value);
    if (mapping !== null) this.#mapping(mapping, path, depth, listed);
    else if (items !== null) {
      for (const item of items.slice(0, MAX_STEPS)) {
        if (asMapping(item) !== null) this.walk(item, "", depth + 1, true);
      }
    } else if (!listed) {
      const text = factOf(value);
      if (text !== "") this.#addFact(path, text);
    }
  }

  #mapping(mapping: Mapping, path: string, depth: number, listed: boolean): void {
    const tag: Tag = {
      label: first(mapping, LABEL, asLabel) ?? "",
      score: first(mapping, SCORE, asNumber),
      id: first(mapping, ID, asLabel) ?? "",
    };
    const read = this.#shapes(mapping, tag);
    if (read.size > 0 || this.#judgements(mapping, tag)) for (const name of TAGS) read.add(name);
    if (depth === 0) read.add("units").add("size");
    for (const [name, item] of mapping) {
      if (!read.has(name)) this.walk(item, path === "" ? name : `${path}.${name}`, depth + 1, listed);
    }
  }

  /** The names of those keys that are shapes. */
  #shapes(mapping: Mapping, tag: Tag): Set<string> {
    const read = new Set<string>();
    for (const [name, value] of mapping) {
      if (
        (BOXES.has(name) && this.boxesIn(value, tag, mapping, name !== "regions")) ||
        (POINTS.has(name) && this.#pointsIn(value, tag, mapping)) ||
        (POLYGONS.has(name) && this.#strokesIn(value, tag, mapping, CLOSED)) ||
        (LINES.has(name) && this.#strokesIn(value, tag, mapping, OPEN)) ||
        (name === "xywh" && this.boxesIn(cornersOf(value), tag, mapping, false))
      ) {
        read.add(name);
      }
    }
    const corners = asRow(picked(mapping, CORNERS), BOX, BOX);
    const extent = EXTENTS.find((names) => boxOf(mapping, names) !== null);
    const place = asRow(picked(mapping, ["x", "y"]), 2, 2);
    if (corners !== null) {
      this.#addBox(corners, tag);
      for (const name of CORNERS) read.add(name);
    } else if (extent !== undefined) {
      this.#addBox(boxOf(mapping, extent) ?? [], tag);
      for (const name of extent) read.add(name);
    } else if (place !== null) {
      this.#addPoint(place, tag);
      read.add("x").add("y");
    }
    return read;
  }

  /** Rows x1, y1, x2, y2; where `scored`, a fifth number is the score and a sixth the class. */
  boxesIn(value: unknown, tag: Tag, mapping: Mapping, scored: boolean): boolean {
    const rows = asRows(value, BOX, BOX + 2);
    for (const [place, row] of (rows ?? []).entries()) {
      if (row === null) continue;
      let own = tagAt(place, mapping, tag, rows?.length === 1);
      if (scored && row.length > BOX) {
        const label = row.length > BOX + 1 ? asLabel(row[BOX + 1]) : null;
        own = { label: own.label || label || "", score: own.score ?? (row[BOX] as number), id: own.id };
      }
      this.#addBox(row, own);
    }
    return rows !== null;
  }

  /** `[x, y]`, several, several groups (of one object each), or a map of named ones. */
  #pointsIn(value: unknown, tag: Tag, mapping: Mapping): boolean {
    const named = asMapping(value);
    if (named !== null) {
      let any = false;
      for (const [name, item] of named) {
        const row = asRow(item, 2, 3);
        if (row === null) continue;
        any = true;
        this.#addPoint(row, { label: name, score: null, id: tag.id });
      }
      return any;
    }
    const found = asRows(value, 2, 3);
    if (found === null) {
      const groups = itemsOf(value).map((item) => asRows(item, 2, 3));
      for (const [place, group] of groups.entries()) {
        const of = tagAt(place, mapping, tag, false);
        const own: Tag = { label: of.label, score: null, id: of.id || String(place) };
        for (const row of group ?? []) this.#addPoint(row, own);
      }
      return groups.some((group) => group !== null && group.length > 0);
    }
    const of = found.length === 1 ? tag : { label: tag.label, score: null, id: tag.id };
    for (const [place, row] of found.entries()) this.#addPoint(row, tagAt(place, mapping, of, true));
    return true;
  }

  /** One outline or line, or several. */
  #strokesIn(value: unknown, tag: Tag, mapping: Mapping, least: number): boolean {
    const one = verticesOf(value, least);
    const strokes = one.length > 0 ? [one] : itemsOf(value).map((item) => verticesOf(item, least));
    for (const [place, vertices] of strokes.entries()) {
      if (vertices.length > 0)
        this.#addStroke(vertices, tagAt(place, mapping, tag, strokes.length === 1), least);
    }
    return strokes.some((vertices) => vertices.length > 0);
  }

  /** Of the whole picture: `{"label": "cat", "score": 0.9}`, or `labels`, perhaps with `scores`. */
  #judgements(mapping: Mapping, tag: Tag): boolean {
    if (tag.label !== "" && tag.score !== null) {
      this.#addFact(tag.label, saidScore(tag.score));
      return true;
    }
    const listed = <T>(names: readonly string[], read: (value: unknown) => T | null) =>
      first(mapping, names, (value) => itemsOf(value).map(read)) ?? [];
    const labels = listed(LABELS, asLabel);
    const scores = listed(SCORES, asNumber);
    for (const [place, label] of labels.entries()) {
      if (label)
        this.#addFact(label, scores.length === labels.length ? saidScore(scores[place] ?? null) : "");
    }
    return labels.some(Boolean);
  }

  #room(vertices: number): boolean {
    const shapes = this.boxes.length + this.points.length + this.polygons.length + this.lines.length;
    const room = shapes < MAX_SHAPES && this.#vertices + vertices <= MAX_VERTICES;
    this.more ||= !room;
    return room;
  }

  #see(numbers: readonly number[]): void {
    this.#vertices += Math.floor(numbers.length / 2);
    for (const number of numbers) this.largest = Math.max(this.largest, Math.abs(number));
  }

  #addBox(row: Row, tag: Tag): void {
    if (!this.#room(2)) return;
    const [left = 0, top = 0, right = 0, bottom = 0] = row;
    this.#see([left, top, right, bottom]);
    this.boxes.push({
      x1: Math.min(left, right),
      y1: Math.min(top, bottom),
      x2: Math.max(left, right),
      y2: Math.max(top, bottom),
      tag,
    });
  }

  /** A third number is how well it is seen; 0: not at all. */
  #addPoint(row: Row | null, tag: Tag): void {
    if (row === null || (row.length > 2 && (row[2] as number) <= 0) || !this.#room(1)) return;
    const [x = 0, y = 0] = row;
    this.#see([x, y]);
    this.points.push({ x, y, tag });
  }

  #addStroke(vertices: readonly Vertex[], tag: Tag, least: number): void {
    if (!this.#room(vertices.length)) return;
    this.#see(vertices.flat());
    (least === CLOSED ? this.polygons : this.lines).push({ vertices, tag });
  }

  #addFact(name: string, value: string): void {
    if (this.facts.length < MAX_FACTS) this.facts.push({ name: asText(name) ?? "", value });
    else this.more = true;
  }
}

function picked(mapping: Mapping, names: readonly string[]): unknown[] {
  return names.map((name) => mapping.get(name));
}

function itemsOf(value: unknown): readonly unknown[] {
  return (asSequence(value) ?? []).slice(0, MAX_SHAPES);
}

/** The first of these keys whose value is of the form. */
function first<T>(mapping: Mapping, names: readonly string[], read: (value: unknown) => T | null): T | null {
  for (const name of names) {
    if (!mapping.has(name)) continue;
    const value = read(mapping.get(name));
    if (value !== null && value !== "") return value;
  }
  return null;
}

/** The tag of one of several: by the lists beside them, and the only one's own. */
function tagAt(place: number, mapping: Mapping, tag: Tag, alone: boolean): Tag {
  const listed = (names: readonly string[]): unknown => {
    for (const name of names) {
      if (!mapping.has(name)) continue;
      const items = itemsOf(mapping.get(name));
      if (place < items.length) return items[place];
    }
    return null;
  };
  const own = alone ? tag : { label: tag.label, score: null, id: "" };
  return {
    label: asLabel(listed(LABELS)) || own.label,
    score: asNumber(listed(SCORES)) ?? own.score,
    id: asLabel(listed(IDS)) || own.id,
  };
}

/** A box of keys for x, y, width and height. */
function boxOf(mapping: Mapping, names: readonly string[]): Row | null {
  return cornersOf(picked(mapping, names))[0] ?? null;
}

/** Boxes of x, y, width and height. */
function cornersOf(value: unknown): number[][] {
  return (asRows(value, BOX, BOX) ?? []).flatMap((row) => {
    if (row === null) return [];
    const [x = 0, y = 0, width = 0, height = 0] = row;
    return [[x, y, x + width, y + height]];
  });
}

/** At least so many vertices, as pairs or one after the other; empty if the value is not of that form. */
function verticesOf(value: unknown, least: number): readonly Vertex[] {
  const pairs = (asRows(value, 2, 2) ?? []).flatMap((row): Vertex[] =>
    row === null ? [] : [[row[0] as number, row[1] as number]],
  );
  if (pairs.length >= least) return pairs;
  const flat = asRow(value, 2 * least, MAX_VERTICES);
  if (flat === null || flat.length % 2 !== 0 || (least === OPEN && flat.length !== BOX)) return [];
  return Array.from(
    { length: flat.length / 2 },
    (_, at): Vertex => [flat[2 * at] as number, flat[2 * at + 1] as number],
  );
}

/** A leaf as a person reads it; empty where there is nothing to read. */
function factOf(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  const number = asNumber(value);
  if (number === null) return asText(value) ?? "";
  if (typeof value === "bigint") return whole(value);
  // 1e15 and 10 ** 15 are one number here: up to what is exact it is taken for an int, such as a time in µs.
  if (Number.isSafeInteger(number)) return whole(number);
  return Math.abs(number) >= 1000 && Math.abs(number) < 1e15 ? rounded(number) : general(number);
}

/** To the nearest integer, halves to the even one, as Python has it. */
function rounded(value: number): string {
  const near = Math.round(value);
  return whole(Math.abs(value % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near);
}
