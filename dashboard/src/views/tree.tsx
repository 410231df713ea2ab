/** A result as it came: any tree of values. */

import { Block } from "../shapes/plain";

const OPEN_DEPTH = 2;
const MOST = 200; // items of a container that are shown
const TEXT = 500;

export function Tree(props: { value: unknown }) {
  return (
    <div class="tree">
      <Entries value={props.value} depth={0} />
    </div>
  );
}

function Entries({ value, depth }: { value: unknown; depth: number }) {
  const entries = Object.entries(value as object);
  return (
    <>
      {entries.slice(0, MOST).map(([key, inner]) => (
        <Node key={key} name={key} value={inner} depth={depth + 1} />
      ))}
      {entries.length > MOST && <div class="leaf muted">… {entries.length - MOST} more</div>}
    </>
  );
}

function Node({ name, value, depth }: { name: string; value: unknown; depth: number }) {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array || value instanceof Block) {
    return (
      <div class="leaf">
        <span class="key">{name}</span>: {leaf(value)}
      </div>
    );
  }
  const count = Object.keys(value).length;
  const brackets = Array.isArray(value) ? `[${count}]` : `{${count}}`;
  if (count === 0) {
    return (
      <div class="leaf">
        <span class="key">{name}</span>: <span class="muted">{brackets}</span>
      </div>
    );
  }
  return (
    <details open={depth < OPEN_DEPTH + 1 && count <= 12}>
      <summary>
        <span class="key">{name}</span> <span class="muted">{brackets}</span>
      </summary>
      <Entries value={value} depth={depth} />
    </details>
  );
}

function leaf(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === "string") return value.length > TEXT ? `"${value.slice(0, TEXT)} …"` : `"${value}"`;
  return String(value);
}
