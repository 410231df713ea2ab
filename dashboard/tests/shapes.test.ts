/** The page finds in results what Python finds: by the corpus that `python -m tests.shapes_corpus` writes. */

import { decode } from "@msgpack/msgpack";
import { describe, expect, test } from "vitest";
import { saidScore, type Tag, textOf } from "../src/shapes/geometry";
import { crc32, scaleOf } from "../src/shapes/paint";
import { plain } from "../src/shapes/plain";
import { type Shapes, shapesIn } from "../src/shapes/shapes";
import committed from "./shapes-corpus.json";

type Size = [number, number] | null;
interface Corpus {
  results: ["msgpack" | "json", string, unknown][];
  large: [string, unknown][];
  limits: [string, unknown][];
  scores: [number, string][];
  colours: [string, number][];
  scales: ["shares" | "pixels", Size, Size, Size][];
}

const corpus = committed as unknown as Corpus;
const A = [0.1, 0.2, 0.5, 0.75];

function unpacked(base64: string): unknown {
  return plain(decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))));
}

/** As the corpus has it: empty parts left out; JSON knows no zero below zero. */
function answer(found: Shapes): unknown {
  const said = (tag: Tag) => [tag.label, tag.score, tag.id, textOf(tag)];
  const parts = {
    boxes: found.boxes.map((box) => [box.x1, box.y1, box.x2, box.y2, ...said(box.tag)]),
    points: found.points.map((point) => [point.x, point.y, ...said(point.tag)]),
    polygons: found.polygons.map((one) => [one.vertices, ...said(one.tag)]),
    lines: found.lines.map((one) => [one.vertices, ...said(one.tag)]),
    facts: found.facts.map((fact) => [fact.name, fact.value]),
    size: found.size ?? [],
  };
  const full = Object.entries(parts).filter(([, part]) => part.length > 0);
  return JSON.parse(
    JSON.stringify({
      units: found.units,
      ...Object.fromEntries(full),
      ...(found.more ? { more: true } : {}),
    }),
  );
}

function counts(found: Shapes): unknown {
  const { boxes, points, polygons, lines, facts, units, more } = found;
  return [...[boxes, points, polygons, lines, facts].map(({ length }) => length), units, more];
}

function nested(maps: number): unknown {
  let tree: unknown = { box: A, in: 1 };
  for (let at = 0; at < maps; at += 1) tree = { in: tree };
  return tree;
}

const filled = (length: number, item: unknown): unknown[] => Array.from({ length }, () => item);
const keyed = (length: number, value: (at: number) => unknown) =>
  Object.fromEntries(Array.from({ length }, (_, at) => [`n${at}`, value(at)]));

const LIMITS: Record<string, () => unknown> = {
  "1001 boxes": () => ({ boxes: filled(1001, A) }),
  "1000 boxes": () => ({ boxes: filled(1000, A) }),
  "boxes beyond the rows": () => ({ boxes: [...filled(20_000, null), A] }),
  "three polygons of 15000": () => ({ polygons: filled(3, filled(15_000, [0.5, 0.5])) }),
  "vertices to the last": () => ({ line: filled(20_000, [0.5, 0.5]) }),
  "25 facts": () => keyed(25, (at) => at),
  "1001 keys": () => ({ ...keyed(1000, () => null), box: A }),
  "maps in a list": () => filled(12_000, { a: null }),
  "maps to the last step": () => [...filled(9999, { a: null }), { box: A }],
  "maps to the step after it": () => [...filled(9999, { a: null }), {}, { box: A }],
  "a list beyond the steps": () => [[], ...filled(20_000, null), { box: A }],
  "16 deep": () => nested(15),
  "17 deep": () => nested(16),
  "18 deep": () => nested(17),
};

test("the corpus has something of every kind", () => {
  for (const kind of ["boxes", "points", "polygons", "lines", "facts", "size"]) {
    const having = corpus.results.filter(([, , expected]) => kind in (expected as object));
    expect(having.length, kind).toBeGreaterThanOrEqual(kind === "size" ? 8 : 30);
  }
  expect(corpus.results.length).toBeGreaterThan(300);
});

describe("as Python has it", () => {
  test("what is found in results", () => {
    const other = corpus.results
      .map(([form, payload, expected]) => {
        const tree = form === "json" ? plain(JSON.parse(payload)) : unpacked(payload);
        return { payload, tree, expected, found: answer(shapesIn(tree)) };
      })
      .filter(({ expected, found }) => {
        try {
          expect(found).toEqual(JSON.parse(JSON.stringify(expected)));
          return false;
        } catch {
          return true;
        }
      });
    expect(other.length, JSON.stringify(other.slice(0, 4), null, 1)).toBe(0);
  });

  test.each(corpus.large)("what is found beside arrays (%#)", (payload, expected) => {
    expect(counts(shapesIn(unpacked(payload)))).toEqual(expected);
  });

  test("each limit is tried", () => {
    expect(corpus.limits.map(([name]) => name)).toEqual(Object.keys(LIMITS));
  });

  test.each(corpus.limits)("the limits: %s", (name, expected) => {
    expect(counts(shapesIn(LIMITS[name]?.()))).toEqual(expected);
  });

  test.each(corpus.scores)("the score %d is read as %s", (score, said) => {
    expect(saidScore(score)).toBe(said);
  });

  test.each(corpus.colours)("the colour of '%s'", (name, place) => {
    expect(crc32(name) % (name === "" ? 1 : 10)).toBe(place);
  });

  test.each(corpus.scales)("the scale of %s, size %j, saw %j", (units, size, saw, expected) => {
    const view = {
      width: 1280,
      height: 720,
      ...(saw === null ? {} : { saw: { width: saw[0], height: saw[1] } }),
    };
    expect(scaleOf({ ...shapesIn(null), units, size }, view)).toEqual(expected);
  });
});

describe("no tree is too odd", () => {
  test.each([
    [undefined],
    [Symbol("s")],
    [() => 1],
    [new Date(0)],
    [new Map([["box", A]])],
    [10n ** 400n],
    [{ box: [0n, 0n, 1n, 1n], id: 9007199254740993n, score: Number.NaN }],
    [Object.create(null)],
    [new Uint8Array(4)],
  ])("%#", (value) => {
    expect(() => shapesIn(plain({ value }))).not.toThrow();
    expect(() => shapesIn(plain(value))).not.toThrow();
  });

  test("whole numbers beyond what a number holds keep their digits", () => {
    const found = shapesIn({ box: A, id: 9007199254740993n, far: 9007199254740993n, text: 2n });
    expect(found.boxes[0]?.tag).toEqual({ label: "2", score: null, id: "9007199254740993" });
    expect(found.facts).toEqual([{ name: "far", value: "9007199254740993" }]);
  });
});
