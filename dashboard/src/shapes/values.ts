/** Reading values that may be anything: what is not of the form that is asked for is null. Twin of algos/values.py. */

export const MAX_ROWS = 20_000;
const MAX_KEYS = 1000;
const MAX_CHARS = 60;
const LARGEST = 1e6; // no coordinate in any picture

export type Row = readonly number[];
export type Mapping = ReadonlyMap<string, unknown>;

export function asMapping(value: unknown): Mapping | null {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  if (Object.getPrototypeOf(value) !== Object.prototype) return null;
  return new Map(Object.entries(value).slice(0, MAX_KEYS));
}

export function asSequence(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null;
}

/** A finite number; a flag is none. */
export function asNumber(value: unknown): number | null {
  if (typeof value === "bigint")
    return value > LARGEST ** 3 || value < -(LARGEST ** 3) ? null : Number(value);
  if (typeof value !== "number" || !Number.isFinite(value)) return null;
  return value;
}

/** A text as one short line of printable characters. */
export function asText(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const beginning = Array.from(value.slice(0, 2 * MAX_CHARS + 2)).slice(0, MAX_CHARS + 1);
  const line = Array.from(
    beginning
      .join("")
      .replace(/[\p{C}\p{Z}]/gu, " ")
      .trim(),
  );
  return line.length <= MAX_CHARS ? line.join("") : `${line.slice(0, MAX_CHARS - 1).join("")}…`;
}

/** A text, or a whole number such as a class's. */
export function asLabel(value: unknown): string | null {
  const text = asText(value);
  if (text !== null) return text;
  const number = asNumber(value);
  if (number === null || !Number.isInteger(number)) return null;
  return whole(typeof value === "bigint" ? value : number);
}

/** An integer in digits, however large. */
export function whole(value: number | bigint): string {
  return BigInt(value).toString();
}

/** So many coordinates; `[[x, y]]` counts as `[x, y]`. */
export function asRow(value: unknown, least: number, most: number): Row | null {
  let items = asSequence(value);
  if (items?.length === 1) items = asSequence(items[0]);
  if (items === null || items.length < least || items.length > most) return null;
  const numbers: number[] = [];
  for (const item of items) {
    const number = asNumber(item);
    if (number === null || Math.abs(number) > LARGEST) return null;
    numbers.push(number);
  }
  return numbers;
}

/** Rows of so many coordinates each, or a single one; null where there are none. */
export function asRows(value: unknown, least: number, most: number): (Row | null)[] | null {
  const row = asRow(value, least, most);
  if (row !== null) return [row];
  const rows = asSequence(value)
    ?.slice(0, MAX_ROWS)
    .map((item) => asRow(item, least, most));
  return rows?.some((one) => one !== null) ? rows : null;
}
