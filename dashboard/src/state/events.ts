/** What happened lately, newest first. */

export type Tone = "good" | "bad" | "plain";

export interface Event {
  readonly id: number;
  readonly timeMs: number;
  readonly what: string;
  readonly tone: Tone;
  /** Which streams it is about; none: the whole device. */
  readonly streams: readonly string[];
}

const KEPT = 200;
let count = 0;

export class Events {
  all: readonly Event[] = [];

  add(event: {
    what: string;
    tone: Tone;
    stream?: string;
    streams?: readonly string[];
    timeMs?: number;
  }): void {
    const { what, tone, stream, timeMs = Date.now() } = event;
    const streams = stream === undefined ? (event.streams ?? []) : [stream];
    this.all = [{ id: ++count, timeMs, what, tone, streams }, ...this.all.slice(0, KEPT - 1)];
  }

  /** Those of a stream, and of the whole device. */
  of(stream: string): Event[] {
    return this.all.filter(({ streams }) => streams.length === 0 || streams.includes(stream));
  }
}
