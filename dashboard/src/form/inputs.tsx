/** Inputs for single values; what is typed is kept, also where it is no value yet. */

import { useEffect, useState } from "preact/hooks";
import { defaultText, type Field, type Option, optionText, type Schema, same, Unparsed } from "./schema";

/** What every input has in common. */
export interface InputAttributes {
  id: string;
  disabled: boolean;
  "aria-invalid": boolean;
  "aria-describedby": string;
  "aria-label"?: string;
  "aria-required"?: boolean;
}

interface InputProps {
  input: InputAttributes;
  value: unknown;
  set(value: unknown): void;
}

export function Input(props: InputProps & { field: Field; suggestions?: readonly string[] }) {
  const { field, input, value, set } = props;
  const otherwise = defaultText(field.schema);
  const placeholder = otherwise === "" ? "" : `default: ${otherwise}`;
  switch (field.kind) {
    case "boolean":
      return field.nullable || (input["aria-required"] && field.schema.default === undefined) ? (
        <Choice {...props} options={[true, false]} placeholder={placeholder} />
      ) : (
        <input
          {...input}
          type="checkbox"
          checked={(value ?? field.schema.default ?? false) as boolean}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      );
    case "number":
    case "integer":
      return <TypedInput {...props} parse={toNumber} show={shown} placeholder={placeholder} />;
    case "choice":
      return <Choice {...props} options={field.options} placeholder={placeholder} />;
    case "choices":
      return <Chips {...props} options={field.options} />;
    case "list":
      return props.suggestions === undefined ? (
        <NumbersInput {...props} placeholder={placeholder} />
      ) : (
        <Chips {...props} options={props.suggestions} />
      );
    case "row":
      return <RowInput {...props} of={field.of} />;
    case "text": {
      const text = {
        ...input,
        class: "mono",
        spellcheck: false,
        autocapitalize: "off",
        value: typeof value === "string" ? value : "",
        placeholder,
        onInput: (event: { currentTarget: HTMLInputElement }) => set(event.currentTarget.value || undefined),
      } as const;
      return field.schema.format === "password" ? (
        <input {...text} type="password" autocomplete="new-password" />
      ) : (
        <input {...text} type="text" autocomplete="off" />
      );
    }
    default:
      return <JsonInput {...props} />;
  }
}

function Choice(props: InputProps & { options: readonly Option[]; placeholder: string }) {
  const { options, input, value, set, placeholder } = props;
  return (
    <select
      {...input}
      value={value === undefined || value === null ? "" : String(value)}
      onChange={(event) => set(options.find((option) => String(option) === event.currentTarget.value))}
    >
      <option value="">{placeholder || "–"}</option>
      {options.map((option) => (
        <option key={option} value={String(option)}>
          {optionText(option)}
        </option>
      ))}
    </select>
  );
}

/** Keeps what is typed, also "1e-" on the way to "1e-3"; what is no number is a problem, not lost. */
function TypedInput(
  props: InputProps & { placeholder: string; parse(text: string): unknown; show(value: unknown): string },
) {
  const { parse, show, value } = props;
  const [text, setText] = useState(show(value));
  useEffect(() => {
    if (!same(parse(text), value)) setText(show(value));
  }, [value]);
  return (
    <input
      {...props.input}
      type="text"
      class="mono"
      spellcheck={false}
      autocapitalize="off"
      autocomplete="off"
      value={text}
      placeholder={props.placeholder}
      onInput={(event) => {
        setText(event.currentTarget.value);
        props.set(parse(event.currentTarget.value));
      }}
    />
  );
}

function toNumber(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const number = Number(trimmed.replace(/^([+-]?\d+),(\d+)$/, "$1.$2"));
  return Number.isFinite(number) ? number : trimmed;
}

function shown(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function NumbersInput(props: InputProps & { placeholder: string }) {
  const parse = (text: string): unknown => {
    const items = text
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean);
    return items.length === 0 ? undefined : items.map(toNumber);
  };
  const show = (value: unknown) => (Array.isArray(value) ? value.join(", ") : shown(value));
  const placeholder = props.placeholder || "several, with commas between";
  return <TypedInput {...props} placeholder={placeholder} parse={parse} show={show} />;
}

function RowInput(props: InputProps & { field: Field; of: readonly Schema[] }) {
  const parse = (text: string): unknown => {
    const items = text.split(/[\s,x×]+/).filter(Boolean);
    return items.length === 0 ? undefined : items.map(toNumber);
  };
  const show = (value: unknown) => (Array.isArray(value) ? value.join(" × ") : shown(value));
  const { default: otherwise } = props.field.schema;
  const size = props.of.length === 2 && props.of.every(({ type }) => type === "integer");
  const example = size ? "640 × 360" : `${props.of.length} numbers`;
  const placeholder = Array.isArray(otherwise) ? `default: ${show(otherwise)}` : example;
  return <TypedInput {...props} placeholder={placeholder} parse={parse} show={show} />;
}

/** Several of a few; `*` stands for all, and alone. */
function Chips(props: InputProps & { field: Field; options: readonly Option[] }) {
  const { field, options, input, set } = props;
  const given = props.value ?? field.schema.default ?? [];
  const value: readonly Option[] = Array.isArray(given) ? given : [];
  const all = [...options, ...value.filter((item) => !options.includes(item))];
  const toggle = (option: Option) => {
    if (option === "*") return set(value.includes("*") ? [] : ["*"]);
    const others = value.filter((item) => item !== option && item !== "*");
    set(value.includes(option) ? others : [...others, option]);
  };
  return (
    <fieldset
      class="f-chips"
      tabIndex={-1}
      id={input.id}
      aria-labelledby={`${input.id}-label`}
      aria-describedby={input["aria-describedby"]}
    >
      {all.map((option) => (
        <button
          key={option}
          type="button"
          class="chip"
          aria-pressed={value.includes(option)}
          disabled={input.disabled}
          onClick={() => toggle(option)}
        >
          {option === "*" ? "all" : option}
        </button>
      ))}
    </fieldset>
  );
}

function JsonInput({ input, value, set }: InputProps) {
  const [text, setText] = useState(jsonText(value));
  useEffect(() => {
    if (!same(parsed(text), value)) setText(jsonText(value));
  }, [value]);
  return (
    <textarea
      {...input}
      class="mono"
      rows={4}
      spellcheck={false}
      autocapitalize="off"
      placeholder="JSON"
      value={text}
      onInput={(event) => {
        setText(event.currentTarget.value);
        set(parsed(event.currentTarget.value));
      }}
    />
  );
}

function jsonText(value: unknown): string {
  if (value === undefined) return "";
  return value instanceof Unparsed ? value.text : JSON.stringify(value, null, 2);
}

function parsed(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    return new Unparsed(text, `is no JSON: ${error instanceof Error ? error.message : error}`);
  }
}
