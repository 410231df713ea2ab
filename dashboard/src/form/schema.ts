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
  readonly additionalProperties?: boolean | Schema;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly discriminator?: {
    readonly propertyName: string;
    readonly mapping?: Readonly<Record<string, string>>;
  };
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly default?: unknown;
  readonly format?: string;
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
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
}

export type Option = string | number | boolean;

/** How one value is asked for. `schema` is without references and without null. */
export type Field = { readonly schema: Schema; readonly nullable: boolean } & (
  | { readonly kind: "text" | "number" | "integer" | "boolean" | "group" | "json" }
  | { readonly kind: "choice"; readonly options: readonly Option[] }
  /** Several of a few. */
  | { readonly kind: "choices"; readonly options: readonly Option[] }
  /** Texts or numbers, as many as one likes. */
  | { readonly kind: "list"; readonly of: "text" | "number" | "integer" }
  /** So many numbers, such as width and height. */
  | { readonly kind: "row"; readonly of: readonly Schema[] }
  /** Anything else, as many as one likes. */
  | { readonly kind: "items"; readonly of: Schema }
  /** Values by names that one chooses. */
  | { readonly kind: "map"; readonly of: Schema }
  /** One of several sorts of values; `tag` is the key that tells maps apart. */
  | { readonly kind: "variant"; readonly options: readonly Schema[]; readonly tag: string | null }
);

export const DEPTH = 20; // of references: a schema may refer to itself

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
  // A number that may be whole is a number.
  const plain = real.every(({ type }) => type === "number" || type === "integer")
    ? real.find(({ type }) => type === "number")
    : undefined;
  const only = real.length === 1 ? real[0] : plain;
  if (real.length > 1 && only === undefined) {
    const tag = whole.discriminator?.propertyName ?? null;
    return { schema: own, nullable, kind: "variant", options: real, tag };
  }
  const schema = choices.length === 0 ? whole : only === undefined ? own : { ...only, ...own };
  const base = { schema, nullable };
  if (schema.const !== undefined) return { ...base, kind: "choice", options: [schema.const as Option] };
  if (schema.enum !== undefined) {
    return { ...base, kind: "choice", options: schema.enum.filter((one) => one !== null) as Option[] };
  }
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
      return { ...base, ...objectField(schema) };
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
  if (schema.items === undefined) return { kind: "json" } as const;
  const item = fieldOf(schema.items, root);
  if (item.kind === "choice") return { kind: "choices", options: item.options } as const;
  if (item.kind === "text" || item.kind === "number" || item.kind === "integer") {
    return { kind: "list", of: item.kind } as const;
  }
  return item.kind === "json" ? ({ kind: "json" } as const) : ({ kind: "items", of: schema.items } as const);
}

function objectField({ properties, additionalProperties, patternProperties }: Schema) {
  if (properties !== undefined) return { kind: "group" } as const;
  const [of = additionalProperties] = Object.values(patternProperties ?? {});
  return typeof of === "object" ? ({ kind: "map", of } as const) : ({ kind: "json" } as const);
}

/** What a new value begins with: the keys that can have one value only. */
export function initial(schema: Schema, root: Schema): unknown {
  const field = fieldOf(schema, root);
  if (field.kind === "boolean") return field.schema.default ?? false;
  if (field.kind !== "group") return undefined;
  const constants = Object.entries(field.schema.properties ?? {}).flatMap(([key, one]) => {
    const value = resolved(one, root).const;
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(constants);
}

/** A text that is no value yet: kept as it was typed. */
export class Unparsed {
  constructor(
    readonly text: string,
    readonly why: string,
  ) {}
}

/** Only what was changed; null for what shall have its default again. */
export function changes(schema: Schema, value: Value, before: Value): Value {
  const changed: Value = {};
  for (const [key, { default: otherwise }] of Object.entries(schema.properties ?? {})) {
    // An empty map is as good as none, unless it stands against a default with something in it.
    const none = (one: unknown) => same(one, {}) && same(otherwise ?? {}, {});
    const [now, was] = [value[key], before[key]].map((one) => (none(one) ? undefined : one));
    if (same(now, was)) continue;
    if (now !== undefined) changed[key] = now;
    else if (was !== undefined) changed[key] = null;
  }
  return changed;
}

/** Whether two trees are equal, in whatever order their keys are; null is as good as nothing. */
export function same(a: unknown, b: unknown): boolean {
  const flat = (tree: unknown) =>
    JSON.stringify(tree ?? null, (_key, item) =>
      item !== null && typeof item === "object" && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
        : item,
    );
  return flat(a) === flat(b);
}

/** A default as a person reads it; empty where there is none to tell. */
export function defaultText(schema: Schema): string {
  const value = schema.default;
  if (value === undefined || value === null || value === "") return "";
  if (Array.isArray(value)) {
    return value.some((item) => typeof item === "object") ? "" : value.map(optionText).join(", ");
  }
  return typeof value === "object" ? "" : optionText(value);
}

export function optionText(option: unknown): string {
  return typeof option === "boolean" ? (option ? "yes" : "no") : String(option);
}
