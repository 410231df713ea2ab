/** What is wrong with a value, judged by its JSON Schema before the device judges it. */

import { DEPTH, optionText, resolved, type Schema, same, Unparsed, type Value } from "./schema";

/** What is wrong with one value; `path` as `params.min_area`, or `zones.0.name`. */
export interface Problem {
  readonly path: string;
  readonly text: string;
}

const WORDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "yes or no",
  array: "a list",
  object: "a map",
  null: "nothing",
};

const ID_PATTERN = "^[A-Za-z0-9_.-]{1,64}$";

/** All that is wrong with a map of values, in the order of the schema. */
export function problems(schema: Schema, value: Value, root: Schema = schema, path = ""): Problem[] {
  return wrong(schema, value, root, path, 0);
}

function wrong(given: Schema, value: unknown, root: Schema, path: string, depth: number): Problem[] {
  const say = (text: string): Problem[] => [{ path, text }];
  if (value instanceof Unparsed) return say(value.why);
  if (value === undefined) return say("is required");
  if (depth > DEPTH) return [];
  const schema = resolved(given, root);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    const { anyOf: _any, oneOf: _one, ...own } = schema;
    const inner = wrongOfChoices(schema, choices, value, root, path, depth);
    return inner.length > 0 ? inner : wrong(own, value, root, path, depth + 1);
  }
  if (schema.const !== undefined && schema.const !== value) return say(`must be ${optionText(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return say(`must be one of ${schema.enum.map(optionText).join(", ")}`);
  }
  if (schema.type !== undefined && !isOf(schema.type, value)) {
    return say(`must be ${WORDS[schema.type] ?? schema.type}`);
  }
  if (typeof value === "string") return textProblems(schema, value).flatMap(say);
  if (typeof value === "number") return numberProblems(schema, value).flatMap(say);
  if (Array.isArray(value)) return listProblems(schema, value, root, path, depth);
  if (isMap(value)) return mapProblems(schema, value, root, path, depth);
  return [];
}

function isMap(value: unknown): value is Value {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isMap(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      return true;
  }
}

function wrongOfChoices(
  { discriminator }: Schema,
  given: readonly Schema[],
  value: unknown,
  root: Schema,
  path: string,
  depth: number,
): Problem[] {
  const choices = given.map((one) => resolved(one, root));
  if (discriminator !== undefined && isMap(value)) {
    const key = discriminator.propertyName;
    const at = path === "" ? key : `${path}.${key}`;
    const tags = choices.map(({ properties }) => resolved(properties?.[key] ?? {}, root));
    const fits = tags.findIndex((tag) => tag.const === value[key] || tag.enum?.includes(value[key]));
    const chosen = choices[fits];
    if (value[key] === undefined) return [{ path: at, text: "is required" }];
    if (chosen !== undefined) return wrong(chosen, value, root, path, depth + 1);
    const known = tags.flatMap((tag) => tag.enum ?? [tag.const]);
    return [{ path: at, text: `must be one of ${known.map(optionText).join(", ")}` }];
  }
  const found = choices.map((one) => wrong(one, value, root, path, depth + 1));
  if (found.some((problems) => problems.length === 0)) return [];
  // Of what the value is like, that which it fails least is what was meant.
  const real = choices.flatMap((one, index) => (one.type === "null" ? [] : [index]));
  const alike = real.filter((index) => {
    const type = choices[index]?.type;
    return type === undefined || isOf(type === "integer" ? "number" : type, value);
  });
  const meant = (alike.length > 0 ? alike : real.length === 1 ? real : [])
    .map((index) => found[index] ?? [])
    .sort((a, b) => a.length - b.length);
  if (meant[0] !== undefined) return meant[0];
  const words = real.map((index) => WORDS[choices[index]?.type ?? ""] ?? "something else");
  return [{ path, text: `must be ${[...new Set(words)].join(" or ")}` }];
}

function textProblems(schema: Schema, value: string): string[] {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema;
  const length = Array.from(value).length;
  if (length < minLength)
    return [minLength === 1 ? "must not be empty" : `needs ${minLength} characters or more`];
  if (length > maxLength) return [`must not be longer than ${maxLength} characters`];
  if (pattern === undefined || matches(pattern, value)) return [];
  return [pattern === ID_PATTERN ? "is 1 to 64 letters, digits, _ . or -" : `must look like ${pattern}`];
}

/** What this browser cannot read of a pattern is left for the device to judge. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}

function numberProblems(schema: Schema, value: number): string[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && value < minimum) return [`must be at least ${minimum}`];
  if (maximum !== undefined && value > maximum) return [`must be at most ${maximum}`];
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return [`must be more than ${exclusiveMinimum}`];
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return [`must be less than ${exclusiveMaximum}`];
  if (multipleOf !== undefined && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9) {
    return [`must be a multiple of ${multipleOf}`];
  }
  return [];
}

function countProblem(least: number, most: number, count: number): string | null {
  if (count < least) return least === 1 ? "needs one at least" : `needs ${least} or more`;
  return count > most ? `must not have more than ${most}` : null;
}

function listProblems(
  schema: Schema,
  value: readonly unknown[],
  root: Schema,
  path: string,
  depth: number,
): Problem[] {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, prefixItems, items, uniqueItems } = schema;
  if (prefixItems !== undefined && value.length !== prefixItems.length && minItems === maxItems) {
    return [{ path, text: `needs ${prefixItems.length} values` }];
  }
  const count = countProblem(minItems, maxItems, value.length);
  const twice =
    uniqueItems === true &&
    value.some((item, index) => value.slice(0, index).some((earlier) => same(earlier, item)));
  const own = count ?? (twice ? "names one twice" : null);
  const inner = value.flatMap((item, index) => {
    const of = prefixItems?.[index] ?? items;
    return of === undefined ? [] : wrong(of, item, root, `${path}.${index}`, depth + 1);
  });
  return [...(own === null ? [] : [{ path, text: own }]), ...inner];
}

function mapProblems(schema: Schema, value: Value, root: Schema, path: string, depth: number): Problem[] {
  const at = (key: string) => (path === "" ? key : `${path}.${key}`);
  const known = Object.entries(schema.properties ?? {}).flatMap(([key, one]) => {
    if (value[key] !== undefined) return wrong(one, value[key], root, at(key), depth + 1);
    if (!schema.required?.includes(key)) return [];
    const inner = resolved(one, root);
    const missing = inner.properties === undefined ? [] : wrong(inner, {}, root, at(key), depth + 1);
    return missing.length > 0 ? missing : [{ path: at(key), text: "is required" }];
  });
  const patterns = Object.entries(schema.patternProperties ?? {});
  const others = Object.keys(value).filter((key) => schema.properties?.[key] === undefined);
  const unknown = others.flatMap((key): Problem[] => {
    if (value[key] === undefined && schema.properties !== undefined) return [];
    const name =
      schema.propertyNames === undefined ? [] : textProblems(resolved(schema.propertyNames, root), key);
    if (name[0] !== undefined) return [{ path: at(key), text: `as a name, ${name[0]}` }];
    const pattern = patterns.find(([one]) => matches(one, key));
    if (pattern !== undefined) return wrong(pattern[1], value[key], root, at(key), depth + 1);
    if (patterns[0] !== undefined)
      return [{ path: at(key), text: `as a name, must look like ${patterns[0][0]}` }];
    if (schema.additionalProperties === false) return [{ path: at(key), text: "is not known here" }];
    return typeof schema.additionalProperties === "object"
      ? wrong(schema.additionalProperties, value[key], root, at(key), depth + 1)
      : [];
  });
  const { minProperties = 0, maxProperties = Number.POSITIVE_INFINITY } = schema;
  const count = countProblem(minProperties, maxProperties, Object.keys(value).length);
  return [...(count === null ? [] : [{ path, text: count }]), ...known, ...unknown];
}
