/** One device, as far as it was heard of. */

import { Completeness, type Range } from "../client/completeness";
import type {
  AlgorithmStatus,
  DeviceState,
  DeviceStatus,
  Digest,
  Gaps,
  Info,
  Reported,
  Result,
  StreamStatus,
} from "../client/contract";
import { read } from "../client/payload";
import { Events } from "./events";
import { Paced } from "./paced";
import { Pair } from "./pair";

/** A payload that is taken apart when somebody looks: most of those of a thousand devices nobody sees. */
class Lazy<T> {
  #payload: Uint8Array | null = null;
  #value: T | null = null;

  put(payload: Uint8Array): void {
    this.#payload = payload;
  }

  get value(): T | null {
    if (this.#payload !== null) {
      this.#value = read<T>(this.#payload);
      this.#payload = null;
    }
    return this.#value;
  }
}

/** How a device fares, for a list. */
export interface Summary {
  streams: number;
  streamsRunning: number;
  streamsAiling: number;
  algorithms: number;
  algorithmsAiling: number;
  resultsPerS: number;
  waiting: number;
}

const EMPTY: Summary = {
  streams: 0,
  streamsRunning: 0,
  streamsAiling: 0,
  algorithms: 0,
  algorithmsAiling: 0,
  resultsPerS: 0,
  waiting: 0,
};

export class Device {
  readonly changed = new Paced();
  readonly events = new Events();
  readonly pairs = new Map<string, Pair>();
  status: DeviceStatus | null = null;
  gaps: Gaps | null = null;
  completeness: Completeness | null = null;
  readonly #info = new Lazy<Info>();
  readonly #reported = new Lazy<Reported>();
  readonly #metrics = new Lazy<Digest>();
  #summary: Summary | null = null;
  #told: Reported | null = null;

  constructor(readonly id: string) {}

  get state(): DeviceState | "unknown" {
    return this.status?.state ?? "unknown";
  }

  get info(): Info | null {
    return this.#info.value;
  }

  get reported(): Reported | null {
    return this.#reported.value;
  }

  get metrics(): Digest | null {
    return this.#metrics.value;
  }

  get streams(): Readonly<Record<string, StreamStatus>> {
    return this.reported?.streams ?? {};
  }

  get algorithms(): Readonly<Record<string, AlgorithmStatus>> {
    return this.reported?.algorithms ?? {};
  }

  get summary(): Summary {
    this.#summary ??= this.reported === null ? EMPTY : summarized(this.reported);
    return this.#summary;
  }

  /** Words that a search finds it by, in small letters. */
  get words(): string {
    const { groups = [], labels = {}, version = "" } = this.status ?? {};
    const said = Object.entries(labels).map(([key, value]) => `${key}=${value} ${key}:${value}`);
    return [this.id, ...groups, ...said, version].join(" ").toLowerCase();
  }

  /** The pairs of one stream, by algorithm. */
  pairsOf(stream: string): Pair[] {
    const pairs = [...this.pairs.values()].filter((pair) => pair.stream === stream);
    return pairs.sort((a, b) => a.algorithm.localeCompare(b.algorithm));
  }

  hearStatus(payload: Uint8Array): void {
    const before = this.status;
    this.status = read<DeviceStatus>(payload);
    if (this.status !== null && before !== null && before.state !== this.status.state) {
      this.events.add({
        what: `device ${this.status.state}`,
        tone: this.status.state === "online" ? "good" : "bad",
      });
    }
    this.changed.touch();
  }

  hearInfo(payload: Uint8Array): void {
    this.#info.put(payload);
    this.changed.touch();
  }

  hearMetrics(payload: Uint8Array): void {
    this.#metrics.put(payload);
    this.changed.touch();
  }

  /** `watched`: somebody looks at this device, and wants to know what has changed. */
  hearReported(payload: Uint8Array, watched: boolean): void {
    this.#reported.put(payload);
    this.#summary = null;
    this.changed.touch();
    if (watched) this.#tellChanges();
  }

  hearGaps(payload: Uint8Array): void {
    this.gaps = read<Gaps>(payload);
    this.#explained();
    this.changed.touch();
  }

  hearResult(payload: Uint8Array, replayed: boolean): void {
    const result = read<Result>(payload);
    if (result === null || typeof result.seq !== "number") return;
    if (this.completeness === null || result.epoch > this.completeness.epoch) {
      if (this.completeness !== null)
        this.events.add({ what: `agent started again (epoch ${result.epoch})`, tone: "plain" });
      this.completeness = new Completeness(result.epoch);
    }
    if (result.epoch === this.completeness.epoch) {
      const found = this.completeness.hear(result.seq);
      if (found === false) return; // sent again, or the twin in the other codec
      if (typeof found !== "boolean") this.#missed(found, result.stream);
    }
    const key = `${result.stream}/${result.algorithm}`;
    let pair = this.pairs.get(key);
    if (pair === undefined) {
      pair = new Pair(result.stream, result.algorithm);
      this.pairs.set(key, pair);
    }
    pair.hear(result, replayed, this.events);
    this.changed.touch();
  }

  /** Nobody listens to its results any longer: what comes later says nothing of what came before. */
  forgetResults(): void {
    this.completeness = null;
    this.pairs.clear();
  }

  /** The connection was away: its results of that time went elsewhere, unless they are sent again. */
  interrupted(): void {
    if (this.completeness !== null)
      this.events.add({ what: "the connection to the broker was away", tone: "bad" });
  }

  #missed([first, last]: Range, stream: string): void {
    this.#explained();
    const still = this.completeness?.missing.some(([a, b]) => a <= last && first <= b);
    if (still !== true) return;
    const names = first === last ? `result ${first}` : `results ${first} to ${last}`;
    this.events.add({ what: `${names} of the device missing`, tone: "bad", stream });
  }

  #explained(): void {
    for (const gap of this.gaps?.gaps ?? []) {
      if (gap.epoch !== this.completeness?.epoch) continue;
      const count = this.completeness.explain(gap.first, gap.last);
      if (count > 0)
        this.events.add({ what: `${count} results dropped on the device: ${gap.reason}`, tone: "bad" });
    }
  }

  #tellChanges(): void {
    const now = this.reported;
    const before = this.#told;
    this.#told = now;
    if (now === null || before === null) return;
    for (const [id, stream] of Object.entries(now.streams ?? {})) {
      const old = before.streams?.[id];
      if (old?.state !== stream.state || old?.error !== stream.error) {
        this.events.add({
          what: `stream ${id} ${stream.state}${stream.error ? `: ${stream.error}` : ""}`,
          tone: streamAils(stream) ? "bad" : "plain",
          stream: id,
        });
      }
    }
    for (const [id, algorithm] of Object.entries(now.algorithms ?? {})) {
      const old = before.algorithms?.[id];
      if (old?.state !== algorithm.state || old?.error_time !== algorithm.error_time) {
        this.events.add({
          what: `algorithm ${id} ${algorithm.state}${algorithm.error ? `: ${algorithm.error}` : ""}`,
          tone: algorithmAils(algorithm) || algorithm.error ? "bad" : "plain",
          streams: algorithm.streams ?? [],
        });
      }
    }
    for (const id of Object.keys(before.streams ?? {})) {
      if (now.streams?.[id] !== undefined) continue;
      this.events.add({ what: `stream ${id} removed`, tone: "plain", stream: id });
      for (const [key, pair] of this.pairs) if (pair.stream === id) this.pairs.delete(key);
    }
    for (const id of Object.keys(before.algorithms ?? {})) {
      if (now.algorithms?.[id] !== undefined) continue;
      this.events.add({ what: `algorithm ${id} removed`, tone: "plain" });
      for (const [key, pair] of this.pairs) if (pair.algorithm === id) this.pairs.delete(key);
    }
  }
}

/** Whether somebody may have to act. */
export function streamAils(stream: StreamStatus): boolean {
  return stream.state === "retrying" || stream.state === "refused";
}

export function algorithmAils(algorithm: AlgorithmStatus): boolean {
  return algorithm.state === "retrying" || algorithm.state === "broken" || algorithm.state === "refused";
}

function summarized(reported: Reported): Summary {
  const streams = Object.values(reported.streams ?? {});
  const algorithms = Object.values(reported.algorithms ?? {});
  return {
    streams: streams.length,
    streamsRunning: streams.filter((stream) => stream.state === "running").length,
    streamsAiling: streams.filter(streamAils).length,
    algorithms: algorithms.length,
    algorithmsAiling: algorithms.filter(algorithmAils).length,
    resultsPerS: algorithms.reduce((sum, { runs_per_s }) => sum + (runs_per_s ?? 0), 0),
    waiting: Number(reported.delivery?.waiting ?? 0),
  };
}
