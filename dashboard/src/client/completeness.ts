/** Whether every result of a device was heard: `seq` is gapless within an epoch. Twin of agent/client/completeness.py. */

export type Range = readonly [first: number, last: number];

/** Ranges kept; of more, the oldest are given up and stay missing for good. */
const MAX_RANGES = 1000;

/** The results heard in one epoch of one device, from the first that was heard on. */
export class Completeness {
  heard = 0;
  repeated = 0;
  first = 0;
  last = 0;
  missing: Range[] = [];
  /** Dropped on the device, which says so. */
  announced = 0;
  #givenUp = 0;

  constructor(readonly epoch: number) {}

  /** Results made after the first that was heard, that have not come, and nobody knows why. */
  get missingCount(): number {
    return this.missing.reduce((sum, [first, last]) => sum + last - first + 1, this.#givenUp);
  }

  /** Note a result: the gap that shows before it, else whether it is new. */
  hear(seq: number): Range | boolean {
    if (this.heard === 0) {
      this.first = this.last = seq;
      this.heard = 1;
      return true;
    }
    if (seq <= this.last) return this.#late(seq);
    this.heard += 1;
    const gap: Range = [this.last + 1, seq - 1];
    this.last = seq;
    if (gap[0] > gap[1]) return true;
    this.missing.push(gap);
    if (this.missing.length > MAX_RANGES) {
      const [first, last] = this.missing.shift() as Range;
      this.#givenUp += last - first + 1;
    }
    return gap;
  }

  /** The device says that it has dropped these; how many of them were missing. */
  explain(first: number, last: number): number {
    const before = this.missingCount;
    this.missing = this.missing.flatMap(([begin, end]): Range[] => {
      if (begin > last || first > end) return [[begin, end]];
      const parts: Range[] = [
        [begin, Math.min(end, first - 1)],
        [Math.max(begin, last + 1), end],
      ];
      return parts.filter(([a, b]) => a <= b);
    });
    const explained = before - this.missingCount;
    this.announced += explained;
    return explained;
  }

  #late(seq: number): boolean {
    const index = this.missing.findIndex(([first, last]) => first <= seq && seq <= last);
    if (index >= 0) {
      const [first, last] = this.missing[index] as Range;
      const parts: Range[] = [
        [first, seq - 1],
        [seq + 1, last],
      ];
      this.missing.splice(index, 1, ...parts.filter(([a, b]) => a <= b));
    } else if (seq >= this.first) {
      this.repeated += 1;
      return false;
    }
    this.heard += 1; // also what was published before we listened, and sent late
    return true;
  }
}
