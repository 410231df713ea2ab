/** A form made from a JSON Schema: controlled by who renders it, and usable by keyboard alone. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import {
  defaultText,
  type Field,
  fieldOf,
  type Problem,
  type Schema,
  same,
  Unparsed,
  type Value,
} from "./schema";
import "./form.css";

export interface FormProps {
  schema: Schema;
  value: Value;
  onChange(value: Value): void;
  /** Begins the ids of all inputs. */
  idPrefix: string;
  problems: readonly Problem[];
  /** Keys that are not asked for. */
  hidden?: readonly string[];
  /** Keys that come first, in this order; all others are behind "More settings". None: all come as they are. */
  common?: readonly string[];
  /** Texts to choose from, for lists. */
  suggestions?: Readonly<Record<string, readonly string[]>>;
  disabled?: boolean;
}

/** Move to the first input that has a problem. */
export function focusFirstProblem(idPrefix: string, problems: readonly Problem[]): void {
  for (const { path } of problems) {
    const input = document.getElementById(`${idPrefix}-${path}`);
    if (input === null) continue;
    input.closest("details")?.setAttribute("open", "");
    input.focus();
    return;
  }
}

export function SchemaForm(props: FormProps) {
  const { schema, hidden = [], common } = props;
  const names = Object.keys(schema.properties ?? {}).filter((name) => !hidden.includes(name));
  const first = common === undefined ? names : common.filter((name) => names.includes(name));
  const more = names.filter((name) => !first.includes(name));
  const wrong = props.problems.some(({ path }) => more.includes(path.split(".")[0] ?? ""));
  return (
    <div class="f-form">
      <Fields {...props} root={schema} names={first} path="" />
      {more.length > 0 && (
        <details class="f-more" open={wrong}>
          <summary>More settings ({more.length})</summary>
          <Fields {...props} root={schema} names={more} path="" />
        </details>
      )}
    </div>
  );
}

interface FieldsProps extends FormProps {
  root: Schema;
  names: readonly string[];
  path: string;
}

function Fields(props: FieldsProps) {
  const { schema, root, value, names, path } = props;
  return (
    <>
      {names.map((name) => {
        const at = path === "" ? name : `${path}.${name}`;
        const set = (next: unknown) => {
          const { [name]: _old, ...rest } = value;
          props.onChange(next === undefined ? rest : { ...rest, [name]: next });
        };
        const field = fieldOf(schema.properties?.[name] ?? {}, root);
        return (
          <One
            key={at}
            form={props}
            name={name}
            path={at}
            field={field}
            value={value[name] ?? undefined}
            required={schema.required?.includes(name) ?? false}
            set={set}
          />
        );
      })}
    </>
  );
}

interface OneProps {
  form: FieldsProps;
  name: string;
  path: string;
  field: Field;
  value: unknown;
  required: boolean;
  set(value: unknown): void;
}

/** What every input has in common. */
interface InputProps {
  id: string;
  disabled: boolean;
  "aria-invalid": boolean;
  "aria-describedby": string;
  "aria-required"?: boolean;
}

function One(props: OneProps) {
  const { form, name, path, field, value, required, set } = props;
  const problem = form.problems.find((one) => one.path === path);
  const id = `${form.idPrefix}-${path}`;
  const hint = field.schema.description ?? "";
  if (field.kind === "group") {
    const names = Object.keys(field.schema.properties ?? {});
    if (names.length === 0) return null;
    return (
      <fieldset class="f-group">
        <legend class="mono">{name}</legend>
        {hint && <p class="f-hint">{hint}</p>}
        <Fields
          {...form}
          schema={field.schema}
          value={(value ?? {}) as Value}
          onChange={(next) => set(Object.keys(next).length > 0 ? next : undefined)}
          names={names}
          path={path}
        />
      </fieldset>
    );
  }
  const input: InputProps = {
    id,
    disabled: form.disabled ?? false,
    "aria-invalid": problem !== undefined,
    "aria-describedby": `${id}-hint ${id}-problem`,
    ...(required && { "aria-required": true }),
  };
  const suggestions = form.suggestions?.[name];
  return (
    <div class="f-field" data-kind={field.kind} data-wrong={problem !== undefined}>
      <label class="mono" for={id}>
        {name}
        {required && (
          <span class="f-required" title="required">
            {" "}
            *
          </span>
        )}
      </label>
      <div class="f-input">
        <Input field={field} input={input} value={value} set={set} {...(suggestions && { suggestions })} />
        {hint && (
          <p class="f-hint" id={`${id}-hint`}>
            <Marked text={hint} />
          </p>
        )}
        <p class="f-problem" id={`${id}-problem`} role={problem ? "alert" : undefined}>
          {problem?.text}
        </p>
      </div>
    </div>
  );
}

/** Text with `code` in it. */
function Marked({ text }: { text: string }): ComponentChildren {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part));
}

function Input(props: {
  field: Field;
  input: InputProps;
  value: unknown;
  set(value: unknown): void;
  suggestions?: readonly string[];
}) {
  const { field, input, value, set } = props;
  const otherwise = defaultText(field.schema);
  const placeholder = otherwise === "" ? "" : `default: ${otherwise}`;
  switch (field.kind) {
    case "boolean":
      return (
        <input
          {...input}
          type="checkbox"
          checked={(value ?? field.schema.default ?? false) as boolean}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      );
    case "number":
    case "integer":
      return <NumberInput input={input} value={value} set={set} placeholder={placeholder} />;
    case "choice":
      return (
        <select
          {...input}
          value={value === undefined ? "" : String(value)}
          onChange={(event) =>
            set(field.options.find((option) => String(option) === event.currentTarget.value))
          }
        >
          <option value="">{placeholder || "–"}</option>
          {field.options.map((option) => (
            <option key={option} value={String(option)}>
              {option}
            </option>
          ))}
        </select>
      );
    case "choices":
      return <Chips options={field.options} input={input} value={asList(value, field)} set={set} />;
    case "list":
      return props.suggestions === undefined ? (
        <ListInput of={field.of} input={input} value={value} set={set} placeholder={placeholder} />
      ) : (
        <Chips options={props.suggestions} input={input} value={asList(value, field)} set={set} />
      );
    case "row":
      return <RowInput count={field.of.length} input={input} value={value} set={set} />;
    case "json":
      return <JsonInput input={input} value={value} set={set} />;
    default:
      return (
        <input
          {...input}
          type="text"
          class="mono"
          spellcheck={false}
          autocomplete="off"
          value={typeof value === "string" ? value : ""}
          placeholder={placeholder}
          onInput={(event) => set(event.currentTarget.value || undefined)}
        />
      );
  }
}

function asList(value: unknown, field: Field): readonly string[] {
  const list = value ?? field.schema.default ?? [];
  return Array.isArray(list) ? list.map(String) : [];
}

/** Keeps what is typed, also "1e-" on the way to "1e-3"; what is no number is a problem, not lost. */
function TypedInput(props: {
  input: InputProps;
  value: unknown;
  set(value: unknown): void;
  placeholder: string;
  parse(text: string): unknown;
  show(value: unknown): string;
}) {
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

function NumberInput(props: {
  input: InputProps;
  value: unknown;
  set(value: unknown): void;
  placeholder: string;
}) {
  return <TypedInput {...props} parse={toNumber} show={shown} />;
}

function ListInput(props: {
  of: "text" | "number" | "integer";
  input: InputProps;
  value: unknown;
  set(value: unknown): void;
  placeholder: string;
}) {
  const parse = (text: string): unknown => {
    const items = text
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean);
    if (items.length === 0) return undefined;
    return props.of === "text" ? items : items.map(toNumber);
  };
  const show = (value: unknown) => (Array.isArray(value) ? value.join(", ") : shown(value));
  return (
    <TypedInput
      {...props}
      placeholder={props.placeholder || "several, with commas between"}
      parse={parse}
      show={show}
    />
  );
}

function RowInput(props: { count: number; input: InputProps; value: unknown; set(value: unknown): void }) {
  const parse = (text: string): unknown => {
    const items = text.split(/[\s,x×]+/).filter(Boolean);
    return items.length === 0 ? undefined : items.map(toNumber);
  };
  const show = (value: unknown) => (Array.isArray(value) ? value.join(" × ") : shown(value));
  const placeholder = props.count === 2 ? "640 × 360" : `${props.count} numbers`;
  return <TypedInput {...props} placeholder={placeholder} parse={parse} show={show} />;
}

/** Several of a few; `*` stands for all, and alone. */
function Chips(props: {
  options: readonly string[];
  input: InputProps;
  value: readonly string[];
  set(value: unknown): void;
}) {
  const { options, input, value, set } = props;
  const all = [...options, ...value.filter((item) => !options.includes(item))];
  const toggle = (option: string) => {
    if (option === "*") return set(value.includes("*") ? [] : ["*"]);
    const others = value.filter((item) => item !== option && item !== "*");
    set(value.includes(option) ? others : [...others, option]);
  };
  return (
    <fieldset class="f-chips" tabIndex={-1} id={input.id} aria-describedby={input["aria-describedby"]}>
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

function JsonInput(props: { input: InputProps; value: unknown; set(value: unknown): void }) {
  const { value, set } = props;
  const show = () =>
    value === undefined ? "" : value instanceof Unparsed ? value.text : JSON.stringify(value, null, 2);
  const [text, setText] = useState(show());
  return (
    <textarea
      {...props.input}
      class="mono"
      rows={4}
      spellcheck={false}
      placeholder="JSON"
      value={text}
      onInput={(event) => {
        const typed = event.currentTarget.value;
        setText(typed);
        if (typed.trim() === "") return set(undefined);
        try {
          set(JSON.parse(typed));
        } catch (error) {
          set(new Unparsed(typed, `is no JSON: ${error instanceof Error ? error.message : error}`));
        }
      }}
    />
  );
}
