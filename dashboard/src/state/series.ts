/** The numbers in a result, by path, as charts and tables show them. */

import type { Seen } from "./pair";

export type Fact = number | boolean | string;

export interface Series {
  /** Seconds since the Unix epoch, growing. */
  readonly times: number[];
  readonly values: (number | null)[];
  /** Only 0 and 1: yes and no. */
  readonly binary: boolean;
}

const DEPTH = 4;
const MOST = 48; // fields of a result

/** Numbers, flags and texts of a result outside of lists, the lengths of its lists, and what the envelope says. */
export function factsIn(seen: Pick<Seen, "result" | "data">): [string, Fact][] {
  const found: [string, Fact][] = [];
  walk(seen.data, "data", DEPTH, found);
  found.push(["latency_ms", seen.result.latency_ms], ["skipped", seen.result.skipped]);
  return found;
}

function walk(value: unknown, path: string, depth: number, found: [string, Fact][]): void {
  if (found.length >= MOST) return;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "string")
    found.push([path, value]);
  else if (typeof value === "bigint") found.push([path, Number(value)]);
  else if (Array.isArray(value)) found.push([`${path}.length`, value.length]);
  else if (value !== null && typeof value === "object" && !(value instanceof Uint8Array) && depth > 0) {
    for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`, depth - 1, found);
  }
}

/** A path as people read it. */
export function pathName(path: string): string {
  return path.replace(/^data\./, "").replace(/^(.*)\.length$/, "$1 (how many)");
}
