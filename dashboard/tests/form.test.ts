/** Forms: what they say is wrong is what Python says, of the schemas that a device publishes. */

import { describe, expect, it } from "vitest";
import { problems } from "../src/form/problems";
import {
  changes,
  defaultText,
  type Field,
  fieldOf,
  initial,
  type Schema,
  same,
  Unparsed,
  type Value,
} from "../src/form/schema";
import given from "./form-cases.json";
import published from "./schemas.json";

type Case = [name: string, value: Value, verdict: "ok" | "wrong" | "coerced" | "beyond", keys: string[]];

const schemas = published as unknown as Record<string, Schema>;
const cases = given as unknown as Case[];

function schemaOf(name: string): Schema {
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`no schema ${name}`);
  return schema;
}

function texts(name: string, value: Value): Record<string, string> {
  return Object.fromEntries(problems(schemaOf(name), value).map(({ path, text }) => [path, text]));
}

describe("verdicts", () => {
  const planted = Object.keys(schemas).map((name) => [name, cases.filter(([of]) => of === name)] as const);

  it.each(planted)("of %s are Python's", (name, own) => {
    expect(own.length).toBeGreaterThan(0);
    for (const [, value, verdict, keys] of own) {
      const found = problems(schemaOf(name), value);
      const tops = [...new Set(found.map(({ path }) => path.split(".")[0]))].sort();
      const said = `${JSON.stringify(value)} is ${verdict}: ${JSON.stringify(found)}`;
      expect(tops, said).toEqual(keys);
    }
  });

  it("are sentences for a person", () => {
    for (const [name, value] of cases) {
      for (const { text } of problems(schemaOf(name), value)) {
        expect(text).toMatch(/^(is|as a name|must|needs|names) ?/);
        expect(text).not.toMatch(/undefined|object Object|Infinity|NaN/);
      }
    }
  });

  it("name the place and the bound", () => {
    expect(
      texts("stream.add", { source: "", fps: 0, open_timeout_s: 0.1, backend: "vlc", colour: 1 }),
    ).toEqual({
      id: "is required",
      source: "must not be empty",
      backend: "must be one of pyav, opencv",
      fps: "must be more than 0",
      open_timeout_s: "must be at least 0.5",
      colour: "is not known here",
    });
    expect(texts("stream.add", { id: "a b", source: "x", fps: "fast" })).toEqual({
      id: "is 1 to 64 letters, digits, _ . or -",
      fps: "must be a number",
    });
    expect(texts("algorithm.add", { id: "a", kind: "motion", size: [640, 9000], workers: 1.5 })).toEqual({
      "size.1": "must be at most 8192",
      workers: "must be a whole number",
    });
  });

  it("reach into maps, lists and what is one of several", () => {
    const value = {
      zone: { shape: "box", width: 0 },
      zones: [{ shape: "circle", radius: 1 }, { shape: "star" }, { radius: 1 }],
      labels: { a: "b" },
      named: { "Not this": 1 },
      node: { child: { child: { name: 3 } } },
      numbers: [1, 2, 1],
      either: true,
      whatever: new Unparsed("{", "is no JSON: it ends early"),
    };
    expect(texts("kind planted", value)).toEqual({
      "zone.width": "must be at least 1",
      "zones.1.shape": "must be one of circle, box",
      "zones.2.shape": "is required",
      either: "must be a whole number or a text",
      "labels.a": "must be a whole number",
      "named.Not this": "as a name, must look like ^[a-z]{1,8}$",
      numbers: "names one twice",
      "node.child.child.name": "must be a text",
      whatever: "is no JSON: it ends early",
    });
  });

  it("of missing maps name what is missing in them", () => {
    const schema: Schema = {
      properties: { params: schemaOf("kind faces") },
      required: ["params"],
    };
    expect(problems(schema, {})).toEqual([{ path: "params.model", text: "is required" }]);
    expect(problems({ ...schema, required: [] }, {})).toEqual([]);
  });

  it("leave to the device what this browser cannot read, and end where a schema does not", () => {
    const python = { properties: { a: { type: "string", pattern: "(?P<name>x)" } } };
    expect(problems(python, { a: "y" })).toEqual([]);
    const endless: Schema = {
      $defs: { A: { type: "object", properties: { a: { $ref: "#/$defs/A" } }, required: ["a"] } },
      $ref: "#/$defs/A",
    };
    expect(problems(endless, {}).length).toBeLessThan(3);
    const circle: Schema = { $defs: { A: { $ref: "#/$defs/A" } }, properties: { a: { $ref: "#/$defs/A" } } };
    expect(problems(circle, { a: 1 })).toEqual([]);
    expect(fieldOf({ $ref: "#/$defs/A" }, circle).kind).toBe("json");
    expect(fieldOf({ $ref: "#/$defs/None" }, circle).kind).toBe("json");
  });
});

describe("a field", () => {
  const field = (name: string, key: string): Field =>
    fieldOf(schemaOf(name).properties?.[key] ?? {}, schemaOf(name));

  it.each([
    ["stream.add", "id", "text"],
    ["stream.add", "backend", "choice"],
    ["stream.add", "fps", "number"],
    ["stream.add", "loop", "boolean"],
    ["algorithm.add", "streams", "list"],
    ["algorithm.add", "size", "row"],
    ["algorithm.add", "workers", "integer"],
    ["algorithm.add", "params", "json"],
    ["algorithm.update", "keyframes", "choice"],
    ["algorithm.update", "memory_max", "integer"],
    ["kind codes", "types", "choices"],
    ["kind yolo", "classes", "list"],
    ["kind planted", "zone", "variant"],
    ["kind planted", "zones", "items"],
    ["kind planted", "either", "variant"],
    ["kind planted", "amount", "number"],
    ["kind planted", "labels", "map"],
    ["kind planted", "named", "map"],
    ["kind planted", "circles", "map"],
    ["kind planted", "numbers", "list"],
    ["kind planted", "node", "group"],
    ["kind planted", "maybe", "group"],
    ["kind planted", "mixed", "choice"],
    ["kind planted", "whatever", "json"],
    ["kind planted", "pair", "json"],
    ["kind planted", "grid", "items"],
    ["kind planted", "flag", "boolean"],
    ["kind planted", "password", "text"],
  ])("of %s: %s is asked for as %s", (name, key, kind) => {
    expect(field(name, key).kind).toBe(kind);
  });

  it("keeps its bounds, its default and what it is about", () => {
    const fps = field("stream.add", "fps");
    expect(fps).toMatchObject({ nullable: true, schema: { exclusiveMinimum: 0, maximum: 1000 } });
    expect(fps.schema.description).toMatch(/^play at most/);
    expect(field("kind planted", "steps")).toMatchObject({ options: [1, 2, 4] });
    expect(field("kind planted", "password").schema.format).toBe("password");
    expect(field("kind planted", "zone")).toMatchObject({ tag: "shape", nullable: false });
    expect(defaultText(field("stream.add", "open_timeout_s").schema)).toBe("10");
    expect(defaultText(field("stream.add", "loop").schema)).toBe("no");
    expect(defaultText(field("algorithm.add", "streams").schema)).toBe("*");
    expect(defaultText(field("kind planted", "node").schema)).toBe("");
    expect(defaultText(fps.schema)).toBe("");
  });

  it("begins with what can be one thing only", () => {
    const root = schemaOf("kind planted");
    expect(initial({ $ref: "#/$defs/Box" }, root)).toEqual({ shape: "box" });
    expect(initial({ $ref: "#/$defs/Node" }, root)).toEqual({});
    expect(initial({ type: "boolean" }, root)).toBe(false);
    expect(initial({ type: "number" }, root)).toBeUndefined();
  });
});

describe("what is sent", () => {
  it("is what was set, for something new", () => {
    const value = { id: "door", source: "test://scene", fps: undefined, loop: true };
    expect(changes(schemaOf("stream.add"), value, {})).toEqual({
      id: "door",
      source: "test://scene",
      loop: true,
    });
  });

  it("is what was changed, with null for what shall have its default again", () => {
    const before = {
      id: "m",
      streams: ["door"],
      interval: 2,
      size: [640, 360],
      params: { min_area: 0.1 },
      record: null,
    };
    const after = { id: "m", streams: ["door"], interval: 0.5, params: { min_area: 0.1 } };
    expect(changes(schemaOf("algorithm.add"), after, before)).toEqual({ interval: 0.5, size: null });
    expect(changes(schemaOf("algorithm.add"), before, before)).toEqual({});
    expect(changes(schemaOf("algorithm.add"), { ...before, params: {} }, before)).toEqual({ params: null });
  });

  it("has an empty map where its default has something in it", () => {
    const of = (otherwise: unknown): Schema => ({
      properties: { a: { type: "object", default: otherwise } },
    });
    expect(changes(of({ b: 1 }), { a: {} }, {})).toEqual({ a: {} });
    expect(changes(of({}), { a: {} }, {})).toEqual({});
  });

  it("does not heed the order of keys", () => {
    expect(same({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toBe(true);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same(undefined, null)).toBe(true);
  });
});
