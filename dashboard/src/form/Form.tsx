/** A form made from a JSON Schema: controlled by who renders it, and usable by keyboard alone. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Input, type InputAttributes } from "./inputs";
import { type Ask, Items, MapRows } from "./nested";
import type { Problem } from "./problems";
import { type Field, fieldOf, initial, resolved, type Schema, type Value } from "./schema";
import { Variant } from "./variant";
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

const DEEPEST = 10; // levels that have inputs of their own; what lies deeper is written as JSON

/** Move to the first input that has a problem, or to what it stands in. */
export function focusFirstProblem(idPrefix: string, problems: readonly Problem[]): void {
  for (const { path } of problems) {
    const steps = path.split(".");
    for (let length = steps.length; length > 0; length--) {
      const input = document.getElementById(`${idPrefix}-${steps.slice(0, length).join(".")}`);
      if (input === null) continue;
      input.closest("details")?.setAttribute("open", "");
      const within = input.querySelector<HTMLElement>("input, select, textarea, button");
      (input.matches("fieldset") ? (within ?? input) : input).focus();
      return;
    }
  }
}

export function SchemaForm(props: FormProps) {
  const { schema, hidden = [], common } = props;
  const names = Object.keys(schema.properties ?? {}).filter((name) => !hidden.includes(name));
  const first = common === undefined ? names : common.filter((name) => names.includes(name));
  const more = names.filter((name) => !first.includes(name));
  const wrong = props.problems.some(({ path }) => more.includes(path.split(".")[0] ?? ""));
  const folded = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    // Never closed again by itself: what one looks at would jump away once it is right.
    if (wrong && folded.current !== null) folded.current.open = true;
  }, [wrong]);
  return (
    <div class="f-form">
      <Fields {...props} root={schema} names={first} path="" />
      {more.length > 0 && (
        <details class="f-more" ref={folded}>
          <summary>More settings ({more.length})</summary>
          <div class="f-form">
            <Fields {...props} root={schema} names={more} path="" />
          </div>
        </details>
      )}
      <Strangers {...props} hidden={hidden} path="" />
    </div>
  );
}

interface FieldsProps extends FormProps {
  root: Schema;
  names: readonly string[];
  path: string;
}

function Fields(props: FieldsProps) {
  const { schema, root, value, path } = props;
  const names = props.names.filter((name) => !isSettled(schema.properties?.[name] ?? {}, value[name], root));
  return (
    <>
      {names.map((name) => {
        const at = path === "" ? name : `${path}.${name}`;
        return (
          <One
            key={at}
            form={props}
            name={name}
            path={at}
            field={fieldOf(schema.properties?.[name] ?? {}, root)}
            value={value[name] ?? undefined}
            required={schema.required?.includes(name) ?? false}
            set={(next) => props.onChange(without(value, name, next))}
          />
        );
      })}
    </>
  );
}

/** What can be one thing only, and is that, is not asked. */
function isSettled(given: Schema, value: unknown, root: Schema): boolean {
  const { const: only, default: otherwise } = resolved(given, root);
  return only !== undefined && (value ?? otherwise) === only;
}

function without(value: Value, name: string, next?: unknown): Value {
  const { [name]: _old, ...rest } = value;
  return next === undefined ? rest : { ...rest, [name]: next };
}

/** Keys that the schema does not know, so that they can be seen and taken away. */
function Strangers(props: FormProps & { path: string }) {
  const { schema, value, path, hidden = [] } = props;
  const known = schema.properties ?? {};
  const names = Object.keys(value).filter((name) => known[name] === undefined && !hidden.includes(name));
  return (
    <>
      {names.map((name) => {
        const at = path === "" ? name : `${path}.${name}`;
        const problem = props.problems.find((one) => one.path === at);
        const id = `${props.idPrefix}-${at}`;
        return (
          <div class="f-field" key={at} data-wrong={problem !== undefined}>
            <span class="f-name mono">{name}</span>
            <div class="f-input">
              <div class="f-stranger">
                <code>{JSON.stringify(value[name])}</code>
                <button
                  type="button"
                  id={id}
                  disabled={props.disabled ?? false}
                  aria-label={`Remove ${name}`}
                  aria-describedby={`${id}-problem`}
                  onClick={() => props.onChange(without(value, name))}
                >
                  Remove
                </button>
              </div>
              <p class="f-problem" id={`${id}-problem`}>
                {problem?.text}
              </p>
            </div>
          </div>
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

function One(props: OneProps) {
  const { form, name, path, field, value, required } = props;
  const id = `${form.idPrefix}-${path}`;
  const hint = field.schema.description ?? "";
  if (field.kind === "group") {
    const names = Object.keys(field.schema.properties ?? {});
    if (names.length === 0 && value === undefined) return null;
    return (
      <fieldset class="f-group" id={id} tabIndex={-1}>
        <legend class="mono">
          {name}
          {required && <Required />}
        </legend>
        {hint && (
          <p class="f-hint">
            <Marked text={hint} />
          </p>
        )}
        <Group {...props} names={names} />
      </fieldset>
    );
  }
  const problem = problemOf(form.problems, field, path);
  const input: InputAttributes = {
    id,
    disabled: form.disabled ?? false,
    "aria-invalid": problem !== undefined,
    "aria-describedby": `${id}-hint ${id}-problem`,
    ...(required && { "aria-required": true }),
  };
  return (
    <div class="f-field" data-kind={field.kind} data-wrong={problem !== undefined}>
      <label class="mono" for={id} id={`${id}-label`}>
        {name}
        {required && <Required />}
      </label>
      <div class="f-input">
        <Control {...props} input={input} />
        {hint && (
          <p class="f-hint" id={`${id}-hint`}>
            <Marked text={hint} />
          </p>
        )}
        <p class="f-problem" id={`${id}-problem`}>
          {problem?.text}
        </p>
      </div>
    </div>
  );
}

/** That of a value, and of what is in it where that has no place of its own. */
function problemOf(problems: readonly Problem[], field: Field, path: string): Problem | undefined {
  const own = problems.find((one) => one.path === path);
  const apart = ["items", "map", "variant", "group"].includes(field.kind) || isTextList(field);
  return own ?? (apart ? undefined : problems.find((one) => one.path.startsWith(`${path}.`)));
}

/** Texts may have commas in them, so each has a row. */
function isTextList(field: Field): boolean {
  return field.kind === "list" && field.of === "text";
}

function Required() {
  return (
    <span class="f-required" title="required">
      {" "}
      *
    </span>
  );
}

/** A map with known keys. One that may be left out, and is, has no fields until somebody wants it. */
function Group(props: OneProps & { names: readonly string[]; hidden?: readonly string[] }) {
  const { form, path, field, value, required, set, hidden = [] } = props;
  const { schema } = field;
  const absent = value === undefined;
  const needs = (schema.required ?? []).length > 0;
  // Its own default is not told when Python makes it anew each time.
  const optional = field.nullable || (!required && needs && schema.default === undefined);
  const problem = form.problems.find((one) => one.path === path);
  const id = `${form.idPrefix}-${path}`;
  const begun = schema.default ?? initial(schema, form.root);
  const current = (value ?? begun ?? {}) as Value;
  const fields = { ...form, schema, value: current, path, hidden };
  const change = (next: Value) =>
    set(Object.keys(next).length > 0 || required || optional ? next : undefined);
  return (
    <>
      {absent && (optional || (required && !needs)) ? (
        <div class="f-add">
          <button
            type="button"
            disabled={form.disabled ?? false}
            aria-label={`Set ${props.name}`}
            aria-describedby={`${id}-problem`}
            onClick={() => set(begun ?? {})}
          >
            Set
          </button>
          <span class="f-hint">not set</span>
        </div>
      ) : (
        <>
          <Fields
            {...fields}
            names={props.names.filter((name) => !hidden.includes(name))}
            onChange={change}
          />
          <Strangers {...fields} onChange={change} />
          {optional && (
            <div class="f-add">
              <button
                type="button"
                class="quiet"
                disabled={form.disabled ?? false}
                onClick={() => set(undefined)}
              >
                Leave {props.name} out
              </button>
            </div>
          )}
        </>
      )}
      {problem !== undefined && (
        <p class="f-problem" id={`${id}-problem`}>
          {problem.text}
        </p>
      )}
    </>
  );
}

/** What a value is entered with, whatever it is. */
function Control(props: OneProps & { input: InputAttributes; hidden?: readonly string[] }) {
  const { form, name, path, field, value, required, set, input } = props;
  const ask: Ask = (inner) => <Within form={form} {...inner} />;
  const disabled = form.disabled ?? false;
  const nested = { root: form.root, path, id: input.id, name, value, set, ask, disabled, required };
  const suggestions = form.suggestions?.[name];
  if (path.split(".").length > DEEPEST) {
    return (
      <Input
        field={{ kind: "json", schema: field.schema, nullable: true }}
        input={input}
        value={value}
        set={set}
      />
    );
  }
  switch (field.kind) {
    case "group":
      return (
        <div class="f-within">
          <Group {...props} names={Object.keys(field.schema.properties ?? {})} />
        </div>
      );
    case "items":
      return <Items {...nested} field={field} of={field.of} />;
    case "map":
      return <MapRows {...nested} field={field} of={field.of} />;
    case "variant":
      return <Variant {...nested} field={field} />;
    default:
      if (isTextList(field) && suggestions === undefined) {
        return <Items {...nested} field={field} of={field.schema.items ?? {}} />;
      }
      return (
        <Input field={field} input={input} value={value} set={set} {...(suggestions && { suggestions })} />
      );
  }
}

/** A value in a list, in a map, or of a sort: without a label, its problem beneath. */
function Within(props: { form: FieldsProps } & Parameters<Ask>[0]) {
  const { form, schema, path, label, value, set, sort } = props;
  const field = fieldOf(schema, form.root);
  const id = `${form.idPrefix}-${path}${sort === undefined ? "" : "-of"}`;
  const problem = problemOf(form.problems, field, path);
  const input: InputAttributes = {
    id,
    disabled: form.disabled ?? false,
    "aria-invalid": problem !== undefined,
    "aria-describedby": sort === undefined ? `${id}-problem` : `${form.idPrefix}-${path}-problem`,
    "aria-label": label,
  };
  return (
    <div class="f-value" data-kind={field.kind} data-wrong={problem !== undefined}>
      <Control
        form={form}
        name={label}
        path={path}
        field={field}
        value={value ?? undefined}
        required={true}
        set={set}
        input={input}
        hidden={sort?.tag == null ? [] : [sort.tag]}
      />
      {/* Of a map, and of a sort, it is told elsewhere. */}
      {sort === undefined && field.kind !== "group" && (
        <p class="f-problem" id={`${id}-problem`}>
          {problem?.text}
        </p>
      )}
    </div>
  );
}

/** Text with `code` in it. */
function Marked({ text }: { text: string }): ComponentChildren {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part));
}
