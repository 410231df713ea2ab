/** Small parts that all views share. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type StateTone, toneOf } from "./words";

/** For texts such as "3 min ago": moves on every few seconds. */
export const nowMs = signal(Date.now());
setInterval(() => {
  nowMs.value = Date.now();
}, 2000);

export function State(props: { state: string; tone?: StateTone; title?: string }) {
  const tone = props.tone ?? toneOf(props.state as Parameters<typeof toneOf>[0]);
  return (
    <span class="state" data-tone={tone} title={props.title}>
      {props.state}
    </span>
  );
}

export function Panel(props: {
  title: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  label?: string;
}) {
  return (
    <section
      class="panel"
      aria-label={props.label ?? (typeof props.title === "string" ? props.title : undefined)}
    >
      <header>
        {typeof props.title === "string" ? <h2>{props.title}</h2> : props.title}
        {props.actions !== undefined && <div class="end">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{props.title}</strong>
      {props.children}
    </div>
  );
}

export function Segments<T extends string>(props: {
  label: string;
  value: T;
  choices: readonly (readonly [value: T, name: ComponentChildren])[];
  onChange(value: T): void;
}) {
  return (
    <fieldset class="segments" style={{ margin: 0, padding: 0 }}>
      <legend class="unseen">{props.label}</legend>
      {props.choices.map(([value, name]) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === props.value}
          onClick={() => props.onChange(value)}
        >
          {name}
        </button>
      ))}
    </fieldset>
  );
}

/** A modal dialog that is open as long as it is rendered. */
export function Dialog(props: {
  title: string;
  onClose(): void;
  onSubmit?(): void;
  children: ComponentChildren;
  foot: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      aria-label={props.title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <form
        class="dialog"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          props.onSubmit?.();
        }}
      >
        <header>
          <h2>{props.title}</h2>
          <span class="end">
            <button type="button" class="quiet" aria-label="Close" onClick={props.onClose}>
              ✕
            </button>
          </span>
        </header>
        <div class="body stack">{props.children}</div>
        <footer>{props.foot}</footer>
      </form>
    </dialog>
  );
}
