/** The results of one algorithm on one stream. */

import type { Result } from "../client/contract";
import { plain } from "../shapes/plain";
import { type Shapes, shapesIn } from "../shapes/shapes";
import type { Events } from "./events";
import { type Fact, factsIn, type Series } from "./series";

/** A result with what was made of it. */
export interface Seen {
  readonly result: Result;
  readonly data: unknown;
  readonly replayed: boolean;
  readonly atMs: number;
}

const RECENT = 128; // results kept to show the one that belongs to a picture, and a table
const POINTS = 3600; // of a chart
const RATE_OVER_MS = 10_000;

export class Pair {
  readonly recent: Seen[] = [];
  readonly facts = new Map<string, Fact>();
  readonly series = new Map<string, Series>();
  count = 0;
  skipped = 0;
  #arrivals: number[] = [];
  #drawn: { seen: Seen; shapes: Shapes } | null = null;

  constructor(
    readonly stream: string,
    readonly algorithm: string,
  ) {}

  get last(): Seen | undefined {
    return this.recent.at(-1);
  }

  /** Results a second, lately; null before there are two. */
  get rate(): number | null {
    const [first] = this.#arrivals;
    const last = this.#arrivals.at(-1);
    if (first === undefined || last === undefined || last === first) return null;
    return ((this.#arrivals.length - 1) * 1000) / (last - first);
  }

  /** The result that belongs to a picture of that time (µs): the nearest, else the newest. */
  at(timeUs: number | null): Seen | undefined {
    if (timeUs === null) return this.last;
    const [oldest] = this.recent;
    if (oldest === undefined || timeUs < oldest.result.time) return oldest;
    return this.recent.reduce((best, seen) =>
      Math.abs(seen.result.time - timeUs) <= Math.abs(best.result.time - timeUs) ? seen : best,
    );
  }

  /** What can be drawn of a result. */
  shapesOf(seen: Seen): Shapes {
    if (this.#drawn?.seen !== seen) this.#drawn = { seen, shapes: shapesIn(seen.data) };
    return this.#drawn.shapes;
  }

  hear(result: Result, replayed: boolean, events: Events): void {
    const atMs = Date.now();
    const seen: Seen = { result, data: plain(result.data), replayed, atMs };
    this.count += 1;
    this.skipped += result.skipped;
    // What comes late after an outage is older than what came before it.
    const at = this.recent.findLastIndex((other) => other.result.time <= result.time) + 1;
    this.recent.splice(at, 0, seen);
    if (this.recent.length > RECENT) this.recent.shift();
    this.#arrivals.push(atMs);
    while ((this.#arrivals[0] ?? atMs) < atMs - RATE_OVER_MS) this.#arrivals.shift();
    for (const [path, value] of factsIn(seen)) this.#note(path, value, seen, events);
  }

  #note(path: string, value: Fact, seen: Seen, events: Events): void {
    const before = this.facts.get(path);
    this.facts.set(path, value);
    if (typeof value === "boolean" && typeof before === "boolean" && before !== value) {
      const name = path.replace(/^data\./, "");
      events.add({
        what: `${this.algorithm}: ${name} ${value ? "yes" : "no"}`,
        tone: "plain",
        stream: this.stream,
        timeMs: seen.result.time / 1000,
      });
    }
    if (typeof value === "string") return;
    let series = this.series.get(path);
    if (series === undefined) {
      series = { times: [], values: [], binary: typeof value === "boolean" };
      this.series.set(path, series);
    }
    const seconds = seen.result.time / 1e6;
    const late = series.times.findLastIndex((time) => time <= seconds) + 1;
    series.times.splice(late, 0, seconds);
    series.values.splice(late, 0, Number.isFinite(Number(value)) ? Number(value) : null);
    if (series.times.length > POINTS) {
      series.times.splice(0, POINTS / 10);
      series.values.splice(0, POINTS / 10);
    }
  }
}
