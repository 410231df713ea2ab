/** Where shapes, their labels and the pointer meet. */

import { describe, expect, test } from "vitest";
import {
  colorOf,
  fitting,
  inside,
  paint,
  plateAt,
  scaleOf,
  shapeAt,
  sumOf,
  visible,
} from "../src/shapes/paint";
import { shapesIn } from "../src/shapes/shapes";

const VIEW = { width: 400, height: 200 };
const tag = (label: string, id = "") => ({ label, score: null, id });

/** What is called on a canvas, whose letters are all 7 px wide. */
function painted(result: unknown, view = VIEW): [string, ...unknown[]][] {
  const calls: [string, ...unknown[]][] = [];
  const context = new Proxy({} as Record<string, unknown>, {
    get: (set, name: string) =>
      set[name] ??
      ((...given: unknown[]) => {
        calls.push([name, ...given]);
        return { width: 7 * String(given[0]).length };
      }),
  });
  paint(context as unknown as CanvasRenderingContext2D, shapesIn(result), view);
  return calls.filter(([name]) => name !== "measureText");
}

describe("painting", () => {
  const count = (calls: [string, ...unknown[]][], name: string) =>
    calls.filter(([called]) => called === name).length;

  test("draws each shape at its place, with its label", () => {
    const calls = painted({
      objects: [{ box: [0.25, 0.5, 0.5, 0.75], label: "cat", score: 0.5, id: 3 }],
      units: "shares",
    });
    expect(calls).toContainEqual(["rect", 100, 100, 100, 50]);
    expect(calls.filter(([name]) => name === "fillText")).toEqual([["fillText", "cat 0.50 #3", 103, 90.5]]);
  });

  test("draws nothing beside the picture, neither shape nor label", () => {
    const beside = {
      boxes: [[1.2, 0, 1.4, 1]],
      labels: ["gone"],
      point: [-0.5, 0.5],
      line: [0, 1.5, 1, 1.6],
    };
    expect(painted({ ...beside, polygon: [0, -1, 1, -1, 1, -0.5], units: "shares" })).toEqual([]);
  });

  test("leaves facts to the page", () => {
    expect(painted({ moves: true, count: 3, label: "cat", score: 0.5 })).toEqual([]);
  });

  test("names the surest where there are too many to read, and fills as many as show", () => {
    const scores = Array.from({ length: 150 }, (_, at) => at / 150);
    const many = painted({ boxes: scores.map(() => [0, 0, 0.5, 0.5]), scores });
    const said = many.filter(([name]) => name === "fillText").map(([, text]) => text);
    expect([count(many, "rect"), said.length, said[0]]).toEqual([150, 100, "0.99"]);
    expect(count(painted({ polygons: Array(80).fill([0, 0, 1, 0, 1, 1]) }), "fill")).toBe(64);
  });

  test("names no point as what it is a part of, and not each of many", () => {
    const said = (result: unknown) => count(painted(result), "fillText");
    expect(said({ box: [0, 0, 1, 1], keypoints: [[0.5, 0.5], [0.6, 0.6]], label: "cat" })).toBe(1); // biome-ignore format: rows
    expect(said({ points: Array(24).fill([0.5, 0.5]), label: "seed" })).toBe(24);
    expect(said({ points: Array(25).fill([0.5, 0.5]), label: "seed" })).toBe(0);
  });
});

describe("plates", () => {
  test("stand above their shape", () => {
    expect(plateAt({ x: 50, y: 100, below: 150 }, 40, VIEW)).toEqual({ x: 49, y: 81, width: 40, height: 18 });
  });

  test("go below where there is no room above, and into what fills the picture", () => {
    expect(plateAt({ x: 50, y: 5, below: 150 }, 40, VIEW).y).toBe(151);
    expect(plateAt({ x: 50, y: 0, below: 200 }, 40, VIEW).y).toBe(1);
  });

  test("never leave the picture", () => {
    for (let x = -500; x <= 900; x += 50)
      for (let y = -300; y <= 500; y += 20)
        for (const height of [0, 10, 90, 400]) {
          const at = plateAt({ x, y, below: y + height }, 60, VIEW);
          expect(at.x).toBeGreaterThanOrEqual(0);
          expect(at.y).toBeGreaterThanOrEqual(0);
          expect(at.x + at.width).toBeLessThanOrEqual(VIEW.width);
          expect(at.y + at.height).toBeLessThanOrEqual(VIEW.height);
        }
  });

  test("say as much as there is room for", () => {
    const wide = (text: string) => text.length * 10;
    const person = { label: "person at the door", score: 0.934, id: "12" };
    expect(fitting(person, wide, 400)).toBe("person at the door 0.93 #12");
    expect(fitting(person, wide, 200)).toBe("person at the door");
    expect(fitting(person, wide, 100)).toBe("person …");
    expect(fitting(person, wide, 30)).toBeNull();
    expect(fitting(tag(""), wide, 400)).toBeNull();
  });
});

test("what lies beside the picture is not seen", () => {
  const at = (left: number, top: number, right: number, bottom: number) =>
    visible(
      [
        [left, top],
        [right, bottom],
      ],
      [1, 1],
      VIEW,
    );
  expect(at(10, 10, 20, 20)).toBe(true);
  expect(at(-10, -10, 900, 900)).toBe(true);
  expect(at(399, 199, 500, 500)).toBe(true);
  expect(at(400, 0, 500, 100)).toBe(false);
  expect(at(0, 200, 100, 300)).toBe(false);
  expect(at(-90, 0, -1, 100)).toBe(false);
  expect(at(0, -90, 100, -1)).toBe(false);
});

test("a colour is that of the id, else of the label", () => {
  expect(colorOf(tag("cat", "7"))).toBe(colorOf(tag("dog", "7")));
  expect(colorOf(tag("cat"))).toBe(colorOf(tag("cat")));
  expect(new Set(Array.from({ length: 200 }, (_, at) => colorOf(tag("", `${at}`)))).size).toBe(10);
});

describe("under the pointer", () => {
  const at = (result: unknown, x: number, y: number) => shapeAt(shapesIn(result), VIEW, x, y);

  test("is the smallest of the boxes", () => {
    const boxes = { boxes: [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]], labels: ["room", "cat"] }; // biome-ignore format: rows
    expect(at(boxes, 150, 80)).toBe("cat");
    expect(at(boxes, 390, 190)).toBe("room");
    expect(at({ box: [0, 0, 0.5, 0.5] }, 10, 10)).toBe("box");
    expect(at({ box: [0, 0, 0.5, 0.5] }, 300, 150)).toBeNull();
  });

  test("is a point or line near it, before the box around both", () => {
    const all = {
      a: { box: [0, 0, 1, 1] },
      b: { point: [0.5, 0.5], label: "nose" },
      c: { line: [0, 0.9, 1, 0.9] },
    };
    expect(at(all, 203, 103)).toBe("nose");
    expect(at(all, 77, 176)).toBe("line");
    expect(at(all, 77, 140)).toBe("box");
    expect(at({ line: [0.5, 0.5, 0.5, 0.5], label: "still" }, 200, 104)).toBe("still");
    expect(at({ line: [0.1, 0.5, 0.2, 0.5] }, 100, 100)).toBeNull();
  });

  test("is a polygon that it lies in", () => {
    const corner = { polygon: [[0, 0], [1, 0], [0, 1]], label: "zone" }; // biome-ignore format: rows
    expect(at(corner, 100, 50)).toBe("zone");
    expect(at(corner, 390, 190)).toBeNull();
    const notched = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]] as const; // biome-ignore format: rows
    expect(inside(notched, 2, 0.5)).toBe(true);
    expect(inside(notched, 2, 3)).toBe(false);
  });

  test("is what is drawn there when the picture is shown smaller", () => {
    const pixels = { box: [960, 540, 1920, 1080], size: [1920, 1080], label: "car" };
    expect(scaleOf(shapesIn(pixels), VIEW)).toEqual([400 / 1920, 200 / 1080]);
    expect(at(pixels, 300, 150)).toBe("car");
    expect(at(pixels, 100, 50)).toBeNull();
  });
});

test("how much there is, in words", () => {
  expect(sumOf(shapesIn({ boxes: [[0, 0, 1, 1], [0, 0, 1, 1]], point: [0, 0] }))).toBe("2 boxes, 1 point"); // biome-ignore format: rows
  expect(sumOf(shapesIn(null))).toBe("");
});
