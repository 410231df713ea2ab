/** Tagged values: bytes and arrays, as the agent writes them (docs/mqtt.md, Results). */

import { describe, expect, test } from "vitest";
import { Block, plain } from "../src/shapes/plain";

const bytes = (...items: number[]) => Uint8Array.from(items);
const array = (dtype: unknown, shape: unknown, data: unknown) => ({ __nd__: 1, dtype, shape, data });

describe("bytes", () => {
  test("are those of the base64", () => {
    expect(plain({ a: { __bin__: "AP8=" } })).toEqual({ a: bytes(0, 255) });
    expect(plain({ __bin__: "" })).toEqual(bytes());
  });

  test.each([["YQ"], ["Y Q="], ["YQ=\n"], ["Y==="], ["é==="], [3], [null]])(
    "%j is none, and stays as it is",
    (text) => {
      expect(plain({ __bin__: text })).toEqual({ __bin__: text });
    },
  );

  test("beside another key are a map", () => {
    expect(plain({ __bin__: "AP8=", more: 1 })).toEqual({ __bin__: "AP8=", more: 1 });
  });
});

describe("arrays", () => {
  test.each([
    ["|b1", bytes(0, 2), [false, true]],
    ["|i1", bytes(255, 1), [-1, 1]],
    ["|u1", bytes(255, 1), [255, 1]],
    ["<i2", bytes(254, 255, 1, 0), [-2, 1]],
    ["<u2", bytes(254, 255, 1, 0), [65534, 1]],
    ["<i4", bytes(254, 255, 255, 255, 1, 0, 0, 0), [-2, 1]],
    ["<u4", bytes(254, 255, 255, 255, 1, 0, 0, 0), [4294967294, 1]],
    ["<i8", bytes(...Array(8).fill(255), 1, 0, 0, 0, 0, 0, 0, 0), [-1, 1]],
    ["<u8", bytes(0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), [4294967296, 1]],
    ["<f2", bytes(0, 0x3c, 1, 0), [1, 2 ** -24]],
    ["<f2", bytes(0, 0xfc, 0, 0xc0), [Number.NEGATIVE_INFINITY, -2]],
    ["<f4", bytes(0, 0, 128, 63, 0, 0, 0, 192), [1, -2]],
    ["<f8", bytes(0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 192), [1, -2]],
  ])("of %s", (dtype, data, expected) => {
    expect(plain(array(dtype, [2], data))).toEqual(expected);
    expect(plain(array(dtype, [1, 2], btoa(String.fromCharCode(...data))))).toEqual([expected]);
  });

  test("lie in the buffer where they lie", () => {
    const whole = bytes(9, 9, 9, 0, 0, 128, 63);
    expect(plain(array("<f4", [1], whole.subarray(3)))).toEqual([1]);
  });

  test("of no side are the one number, of an empty side empty", () => {
    expect(plain(array("|u1", [], bytes(7)))).toBe(7);
    expect(plain(array("|u1", [2, 0], bytes()))).toEqual([[], []]);
  });

  test("that are large are told by their shape alone", () => {
    expect(plain(array("|u1", [400, 400], new Uint8Array(160_000)))).toEqual(new Block("u1", [400, 400]));
    expect(plain(array("|u1", [1e9, 0], bytes()))).toEqual(new Block("u1", [1e9, 0]));
    expect(String(new Block("u1", [4, 2]))).toBe("u1 array 4×2");
  });

  test.each([
    [array(">f4", [1], bytes(0, 0, 0, 0))],
    [array("|O8", [1], new Uint8Array(8))],
    [array("<f4", [2], bytes(0, 0, 0, 0))],
    [array("<f4", [-1], bytes(0, 0, 0, 0))],
    [array("<f4", ["1"], bytes(0, 0, 0, 0))],
    [array("<f4", 1, bytes(0, 0, 0, 0))],
    [array("<f4", Array(100_000).fill(1), bytes(0, 0, 0, 0))],
    [array("toString", [1], bytes(0))],
    [array(4, [1], bytes(0, 0, 0, 0))],
    [array("<f4", [1], null)],
    [{ ...array("|u1", [1], bytes(7)), more: 1 }],
  ])("that are none stay as they are (%#)", (map) => {
    expect(plain(map)).toEqual(map);
  });
});

test("what is deeper than results are is left alone", () => {
  let deep: unknown = { __bin__: "AA==" };
  for (let at = 0; at < 100_000; at += 1) deep = [deep];
  expect(() => plain(deep)).not.toThrow();
});

test("a key of any name is only a key", () => {
  const tree = plain(JSON.parse('{"__proto__": {"box": [0, 0, 1, 1]}}')) as object;
  expect(Object.keys(tree)).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(tree)).toBe(Object.prototype);
});
