/** The input for a value that is one of several sorts. */

import { useRef, useState } from "preact/hooks";
import { Back, type NestedProps } from "./nested";
import { type Problem, problems } from "./problems";
import { type Field, initial, resolved, type Schema, type Value } from "./schema";

/** One of several sorts of values. What was entered for another sort comes back with it. */
export function Variant(props: NestedProps & { field: Field & { kind: "variant" } }) {
  const { root, path, id, name, field, value, set, ask, disabled } = props;
  const { options, tag } = field;
  const otherwise = field.schema.default;
  const usual = sortOf(options, tag, otherwise, root);
  const fitting = value === undefined ? usual : sortOf(options, tag, value, root);
  const [picked, setPicked] = useState<number | null>(null);
  const kept = useRef(new Map<number, unknown>());
  // A tagged value says by itself of which sort it is; others may be on their way to being one.
  const chosen = picked !== null && (tag === null || value === undefined) ? picked : fitting;
  const changed = !props.required && (value !== undefined || picked !== null);
  const choose = (index: number) => {
    if (index === chosen) return;
    if (chosen !== -1) kept.current.set(chosen, value);
    setPicked(index);
    const option = options[index];
    if (option !== undefined) {
      set(
        kept.current.has(index) ? kept.current.get(index) : withTag(initial(option, root), option, tag, root),
      );
    }
  };
  const option = options[chosen];
  return (
    <fieldset class="f-variant" id={id} tabIndex={-1} aria-label={name}>
      <div class="f-add">
        {options.length <= 4 ? (
          <div class="segments">
            {options.map((one, index) => (
              <button
                key={labelOf(one, tag, root)}
                type="button"
                aria-pressed={index === chosen}
                disabled={disabled}
                onClick={() => choose(index)}
              >
                {labelOf(one, tag, root)}
              </button>
            ))}
          </div>
        ) : (
          <select
            aria-label={`sort of ${name}`}
            disabled={disabled}
            value={chosen === -1 ? "" : String(chosen)}
            onChange={(event) =>
              event.currentTarget.value !== "" && choose(Number(event.currentTarget.value))
            }
          >
            <option value="">–</option>
            {options.map((one, index) => (
              <option key={labelOf(one, tag, root)} value={String(index)}>
                {labelOf(one, tag, root)}
              </option>
            ))}
          </select>
        )}
        <Back
          name={name}
          shown={changed}
          disabled={disabled}
          onClick={() => {
            setPicked(null);
            set(undefined);
          }}
        />
      </div>
      {option !== undefined &&
        ask({
          schema: chosen === usual ? { ...option, default: otherwise } : option,
          path,
          label: name,
          value,
          set,
          sort: { tag },
        })}
    </fieldset>
  );
}

function sortOf(options: readonly Schema[], tag: string | null, value: unknown, root: Schema): number {
  if (value === undefined || value === null) return -1;
  if (tag !== null) {
    const named = typeof value === "object" ? (value as Value)[tag] : undefined;
    return options.findIndex((option) => tagOf(option, tag, root) === named && named !== undefined);
  }
  const judged = options.map((option): readonly Problem[] =>
    problems({ properties: { it: option } }, { it: value }, root),
  );
  const fits = judged.findIndex((found) => found.length === 0);
  return fits !== -1 ? fits : judged.findIndex((found) => found.every(({ path }) => path !== "it"));
}

function tagOf(option: Schema, tag: string, root: Schema): unknown {
  const { const: only, enum: several } = resolved(option.properties?.[tag] ?? {}, root);
  return only ?? several?.[0];
}

function withTag(value: unknown, option: Schema, tag: string | null, root: Schema): unknown {
  return tag === null ? value : { ...(value as Value | undefined), [tag]: tagOf(option, tag, root) };
}

const SORTS: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "yes or no",
  array: "list",
  object: "map",
};

function labelOf(option: Schema, tag: string | null, root: Schema): string {
  if (tag !== null) return String(tagOf(option, tag, root));
  if (option.type === "object" && option.title !== undefined) return option.title;
  return option.enum?.map(String).join(", ") ?? SORTS[option.type ?? ""] ?? option.title ?? "anything";
}
