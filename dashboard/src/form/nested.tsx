/** Inputs for values that hold others: lists, and maps by names that one chooses. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Field, fieldOf, initial, type Schema, same, Unparsed, type Value } from "./schema";

/** How a value within is asked for; `label` is for those who do not see where it stands. */
export type Ask = (inner: {
  schema: Schema;
  path: string;
  label: string;
  value: unknown;
  set(value: unknown): void;
  /** It is the value itself, of one sort, and its problem is told where the sort is chosen. */
  sort?: { readonly tag: string | null };
}) => ComponentChildren;

export interface NestedProps {
  root: Schema;
  path: string;
  id: string;
  name: string;
  value: unknown;
  set(value: unknown): void;
  ask: Ask;
  disabled: boolean;
  required: boolean;
}

/** Moves the focus into the row that was added, or to what is left when one was removed. */
function useRows(count: number) {
  const ref = useRef<HTMLFieldSetElement>(null);
  const change = useRef<"added" | "removed" | null>(null);
  // Before anything else can be typed.
  useLayoutEffect(() => {
    const rows = ref.current?.querySelectorAll(":scope > .f-row");
    const last = rows?.[rows.length - 1];
    const within = "input, select, textarea, button";
    const add = ref.current?.querySelector<HTMLElement>(":scope > .f-add > button");
    if (change.current === "added") last?.querySelector<HTMLElement>(within)?.focus();
    if (change.current === "removed") add?.focus();
    change.current = null;
  }, [count]);
  return { ref, change };
}

export function Items(props: NestedProps & { field: Field; of: Schema }) {
  const { root, path, id, name, of, set, ask, disabled } = props;
  const otherwise = props.field.schema.default;
  const given = props.value ?? otherwise ?? [];
  const items: readonly unknown[] = Array.isArray(given) ? given : [];
  const { ref, change } = useRows(items.length);
  return (
    <fieldset class="f-rows" id={id} tabIndex={-1} ref={ref} aria-label={name}>
      {items.map((item, index) => (
        <div class="f-row" key={`${path}.${index}`}>
          {ask({
            schema: of,
            path: `${path}.${index}`,
            label: `${name}, ${index + 1}`,
            value: item,
            set: (next) => set(items.map((one, place) => (place === index ? next : one))),
          })}
          <Remove
            label={`Remove ${name}, ${index + 1}`}
            disabled={disabled}
            onClick={() => {
              change.current = "removed";
              set(items.filter((_one, place) => place !== index));
            }}
          />
        </div>
      ))}
      <Add
        {...props}
        onClick={() => {
          change.current = "added";
          set([...items, initial(of, root)]);
        }}
      />
    </fieldset>
  );
}

type Row = readonly [key: string, value: unknown];

export function MapRows(props: NestedProps & { field: Field; of: Schema }) {
  const { root, path, id, name, of, ask, disabled } = props;
  const otherwise = props.field.schema.default;
  const given = props.value ?? otherwise;
  const [rows, setRows] = useState(() => rowsOf(given));
  const { ref, change } = useRows(rows.length);
  const tall = ["group", "variant", "items", "map"].includes(fieldOf(of, root).kind);
  useEffect(() => {
    if (!same(mapOf(rows), given ?? {})) setRows(rowsOf(given));
  }, [props.value]);
  const put = (next: readonly Row[]) => {
    setRows(next);
    props.set(mapOf(next));
  };
  return (
    <fieldset class="f-rows" id={id} tabIndex={-1} ref={ref} aria-label={name}>
      {rows.map(([key, value], index) => (
        <div class="f-row f-pair" data-tall={tall} key={index}>
          <input
            type="text"
            class="mono"
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            aria-label={`${name}, name ${index + 1}`}
            placeholder="name"
            disabled={disabled}
            value={key}
            onInput={(event) => {
              const typed = event.currentTarget.value;
              put(rows.map((row, place) => (place === index ? [typed, row[1]] : row)));
            }}
          />
          {ask({
            schema: of,
            path: `${path}.${key}`,
            label: `${name}, value of ${key || `row ${index + 1}`}`,
            value,
            set: (next) => put(rows.map((row, place) => (place === index ? [row[0], next] : row))),
          })}
          <Remove
            label={`Remove ${key || `row ${index + 1}`} of ${name}`}
            disabled={disabled}
            onClick={() => {
              change.current = "removed";
              put(rows.filter((_row, place) => place !== index));
            }}
          />
        </div>
      ))}
      <Add
        {...props}
        onClick={() => {
          change.current = "added";
          put([...rows, ["", initial(of, root)]]);
        }}
      />
    </fieldset>
  );
}

function rowsOf(value: unknown): readonly Row[] {
  if (value instanceof Unparsed) return JSON.parse(value.text) as Row[];
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

/** What no map can hold, such as a name that is there twice, is kept beside. */
function mapOf(rows: readonly Row[]): Value | Unparsed {
  const keys = rows.map(([key]) => key);
  const twice = keys.find((key, index) => key !== "" && keys.indexOf(key) < index);
  const text = JSON.stringify(rows);
  if (twice !== undefined) return new Unparsed(text, `has ${twice} twice`);
  if (keys.includes("")) return new Unparsed(text, "has a row without a name");
  return Object.fromEntries(rows);
}

function Add(props: NestedProps & { onClick(): void }) {
  return (
    <div class="f-add">
      <button
        type="button"
        disabled={props.disabled}
        aria-label={`Add to ${props.name}`}
        onClick={props.onClick}
      >
        Add
      </button>
      <Back
        name={props.name}
        shown={props.value !== undefined && !props.required}
        disabled={props.disabled}
        onClick={() => props.set(undefined)}
      />
    </div>
  );
}

/** Takes its place also where there is nothing to bring back, so that nothing moves. */
export function Back(props: { name: string; shown: boolean; disabled: boolean; onClick(): void }) {
  return (
    <button
      type="button"
      class="quiet f-back"
      data-shown={props.shown}
      disabled={props.disabled || !props.shown}
      aria-label={`${props.name}: back to the default`}
      onClick={props.onClick}
    >
      Back to default
    </button>
  );
}

function Remove(props: { label: string; disabled: boolean; onClick(): void }) {
  return (
    <button
      type="button"
      class="quiet f-remove"
      aria-label={props.label}
      title="Remove"
      disabled={props.disabled}
      onClick={props.onClick}
    >
      ✕
    </button>
  );
}
