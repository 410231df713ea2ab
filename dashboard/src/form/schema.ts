/** What a form has to know of a JSON Schema as the agent publishes it (pydantic's, draft 2020-12). */

/** A map of arguments; a key that is absent has its default. */
export type Value = Record<string, unknown>;

export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly default?: unknown;
  readonly title?: string;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
}

/** What is wrong with one value; `path` as `params.min_area`. */
export interface Problem {
  readonly path: string;
  readonly text: string;
}

/** How one value is asked for. `schema` is without references and without null. */
export type Field = { readonly schema: Schema; readonly nullable: boolean } & (
  | { readonly kind: "text" | "number" | "integer" | "boolean" | "group" | "json" }
  | { readonly kind: "choice"; readonly options: readonly (string | number)[] }
  /** Several of a few. */
  | { readonly kind: "choices"; readonly options: readonly string[] }
  /** Texts or numbers, as many as one likes. */
  | { readonly kind: "list"; readonly of: "text" | "number" | "integer" }
  /** So many numbers, such as width and height. */
  | { readonly kind: "row"; readonly of: readonly Schema[] }
);

const DEPTH = 20; // of references: a schema may refer to itself

/** Without `$ref` and an `allOf` of one. */
export function resolved(schema: Schema, root: Schema, depth = DEPTH): Schema {
  const [only, ...others] = schema.allOf ?? [];
  const next =
    schema.$ref !== undefined
      ? root.$defs?.[schema.$ref.replace("#/$defs/", "")]
      : others.length === 0
        ? only
        : undefined;
  if (next === undefined || depth === 0) return schema;
  const { $ref: _ref, allOf: _all, ...own } = schema;
  return { ...resolved(next, root, depth - 1), ...own };
}

/** How a value of this schema is asked for. */
export function fieldOf(given: Schema, root: Schema): Field {
  const whole = resolved(given, root);
  const choices = (whole.anyOf ?? whole.oneOf ?? []).map((one) => resolved(one, root));
  const real = choices.filter(({ type }) => type !== "null");
  const nullable = real.length < choices.length;
  const { anyOf: _any, oneOf: _one, ...own } = whole;
  const [only] = real;
  const schema =
    choices.length === 0 ? whole : real.length === 1 && only !== undefined ? { ...only, ...own } : own;
  const base = { schema, nullable };
  if (schema.const !== undefined) return { ...base, kind: "choice", options: [schema.const as string] };
  if (schema.enum !== undefined)
    return { ...base, kind: "choice", options: schema.enum as (string | number)[] };
  switch (schema.type) {
    case "string":
      return { ...base, kind: "text" };
    case "number":
    case "integer":
    case "boolean":
      return { ...base, kind: schema.type };
    case "array":
      return { ...base, ...arrayField(schema, root) };
    case "object":
      return { ...base, kind: schema.properties === undefined ? "json" : "group" };
    default:
      return { ...base, kind: "json" };
  }
}

function arrayField(schema: Schema, root: Schema) {
  if (schema.prefixItems !== undefined) {
    const of = schema.prefixItems.map((item) => resolved(item, root));
    const numbers = of.every(({ type }) => type === "integer" || type === "number");
    return numbers ? ({ kind: "row", of } as const) : ({ kind: "json" } as const);
  }
  const item = fieldOf(schema.items ?? {}, root);
  if (item.kind === "choice") return { kind: "choices", options: item.options.map(String) } as const;
  if (item.kind === "text" || item.kind === "number" || item.kind === "integer") {
    return { kind: "list", of: item.kind } as const;
  }
  return { kind: "json" } as const;
}

/** All that is wrong with a map of values, in the order of the schema. */
export function problems(schema: Schema, value: Value, root: Schema = schema, path = ""): Problem[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, one]) => {
    const at = path === "" ? key : `${path}.${key}`;
    const given = value[key];
    if (given === undefined || given === null) {
      const field = fieldOf(one, root);
      if (schema.required?.includes(key)) return [{ path: at, text: "is required" }];
      return field.kind === "group" ? problems(field.schema, {}, root, at) : [];
    }
    return problemsOf(fieldOf(one, root), given, root, at);
  });
}

function problemsOf(field: Field, value: unknown, root: Schema, path: string): Problem[] {
  const { schema } = field;
  const say = (text: string | null): Problem[] => (text === null ? [] : [{ path, text }]);
  switch (field.kind) {
    case "text":
      return say(typeof value === "string" ? textProblem(schema, value) : "must be a text");
    case "number":
    case "integer":
      return say(numberProblem(schema, field.kind, value));
    case "boolean":
      return say(typeof value === "boolean" ? null : "must be yes or no");
    case "choice":
      return say(
        field.options.some((option) => option === value)
          ? null
          : `must be one of ${field.options.join(", ")}`,
      );
    case "choices":
    case "list": {
      if (!Array.isArray(value)) return say("must be a list");
      const inner = field.kind === "list" && schema.items !== undefined ? fieldOf(schema.items, root) : null;
      const wrong =
        inner === null ? [] : value.flatMap((item) => problemsOf(inner, item, root, path)).slice(0, 1);
      return [...say(countProblem(schema, value.length)), ...wrong];
    }
    case "row": {
      if (!Array.isArray(value) || value.length !== field.of.length)
        return say(`needs ${field.of.length} numbers`);
      const texts = field.of.map((of, index) =>
        numberProblem(of, of.type === "integer" ? "integer" : "number", value[index]),
      );
      return say(texts.find((text) => text !== null) ?? null);
    }
    case "group":
      return typeof value === "object" && !Array.isArray(value)
        ? problems(schema, value as Value, root, path)
        : say("must be a map");
    case "json":
      return say(typeof value === "object" && value instanceof Unparsed ? value.why : null);
  }
}

/** A text that is no JSON yet: kept as it was typed. */
export class Unparsed {
  constructor(
    readonly text: string,
    readonly why: string,
  ) {}
}

function textProblem(schema: Schema, value: string): string | null {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema;
  const length = Array.from(value).length;
  if (length < minLength)
    return minLength === 1 ? "must not be empty" : `needs ${minLength} characters or more`;
  if (length > maxLength) return `must not be longer than ${maxLength} characters`;
  if (pattern !== undefined && !new RegExp(pattern, "u").test(value)) {
    return pattern === "^[A-Za-z0-9_.-]{1,64}$"
      ? "is 1 to 64 letters, digits, _ . or -"
      : `must look like ${pattern}`;
  }
  return null;
}

function numberProblem(schema: Schema, kind: "number" | "integer", value: unknown): string | null {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    return kind === "integer" ? "must be a whole number" : "must be a number";
  }
  if (kind === "integer" && !Number.isInteger(value)) return "must be a whole number";
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`;
  if (maximum !== undefined && value > maximum) return `must be at most ${maximum}`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return `must be more than ${exclusiveMinimum}`;
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return `must be less than ${exclusiveMaximum}`;
  if (multipleOf !== undefined && Math.abs(value / multipleOf - Math.round(value / multipleOf)) > 1e-9) {
    return `must be a multiple of ${multipleOf}`;
  }
  return null;
}

function countProblem(
  { minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Schema,
  count: number,
): string | null {
  if (count < minItems) return minItems === 1 ? "needs one at least" : `needs ${minItems} or more`;
  return count > maxItems ? `must not have more than ${maxItems}` : null;
}

/** Only what was changed; null for what shall have its default again. */
export function changes(schema: Schema, value: Value, before: Value): Value {
  const changed: Value = {};
  for (const key of Object.keys(schema.properties ?? {})) {
    const [now, was] = [value[key], before[key]];
    if (same(now, was)) continue;
    if (now !== undefined) changed[key] = now;
    else if (was !== undefined) changed[key] = null;
  }
  return changed;
}

/** Whether two trees are equal; a map is as good as none when it is empty. */
export function same(a: unknown, b: unknown): boolean {
  const flat = (tree: unknown) =>
    JSON.stringify(tree ?? null, (_key, item) =>
      item !== null && typeof item === "object" && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => x.localeCompare(y)))
        : item,
    ).replace(/^\{\}$/, "null");
  return flat(a) === flat(b);
}

/** A default as a person reads it; empty where there is none to tell. */
export function defaultText(schema: Schema): string {
  const value = schema.default;
  if (value === undefined || value === null || value === "") return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.join(", ") : typeof value === "object" ? "" : String(value);
}
