/** Signals that many messages touch, and that change a few times a second at most. */

import { type Signal, signal } from "@preact/signals";

/** Often enough to look live, and seldom enough to read. */
const PACE_MS = 200;

const touched = new Set<Paced>();
let timer: ReturnType<typeof setTimeout> | undefined;

function flush(): void {
  timer = undefined;
  const all = [...touched];
  touched.clear();
  for (const one of all) one.advance();
}

/** Data beside it may change thousands of times a second; who reads `watch()` while rendering renders anew at a pace. */
export class Paced {
  readonly #count: Signal<number> = signal(0);

  /** The data has changed. */
  touch(): void {
    touched.add(this);
    if (timer === undefined) timer = setTimeout(flush, PACE_MS);
  }

  /** Render the component that calls this when the data changes. */
  watch(): number {
    return this.#count.value;
  }

  advance(): void {
    this.#count.value += 1;
  }
}
