import { expect, test } from "vitest";
import { Completeness } from "../src/client/completeness";

test("nothing is missing in a row of numbers, wherever it begins", () => {
  const known = new Completeness(1);
  expect([7, 8, 9].map((seq) => known.hear(seq))).toEqual([true, true, true]);
  expect(known.missingCount).toBe(0);
});

test("a gap shows, is filled by what comes late, and is explained by the device", () => {
  const known = new Completeness(1);
  known.hear(1);
  expect(known.hear(6)).toEqual([2, 5]);
  expect(known.missingCount).toBe(4);
  expect(known.hear(3)).toBe(true);
  expect(known.missing).toEqual([
    [2, 2],
    [4, 5],
  ]);
  expect(known.explain(4, 9)).toBe(2);
  expect(known.announced).toBe(2);
  expect(known.missing).toEqual([[2, 2]]);
});

test("what comes twice is heard once", () => {
  const known = new Completeness(1);
  expect([1, 2, 2, 1].map((seq) => known.hear(seq))).toEqual([true, true, false, false]);
  expect(known.repeated).toBe(2);
  expect(known.heard).toBe(2);
});
