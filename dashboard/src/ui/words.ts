/** Numbers, times and states as people read them. */

import type { AlgorithmState, DeviceState, StreamState } from "../client/contract";

export type StateTone = "good" | "warn" | "bad" | "off" | "plain";

const TONES: Record<StreamState | AlgorithmState | DeviceState | "unknown", StateTone> = {
  online: "good",
  offline: "off",
  lost: "bad",
  unknown: "plain",
  opening: "warn",
  running: "good",
  retrying: "bad",
  paused: "off",
  ended: "off",
  refused: "bad",
  idle: "off",
  starting: "warn",
  broken: "bad",
};

export function toneOf(state: keyof typeof TONES): StateTone {
  return TONES[state] ?? "plain"; // a later agent may know more states
}

/** Digits for the eye: 0.031, 3.12, 31.2, 312, 3 120. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll(",", " ");
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = value.toFixed(digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function span(seconds: number): string {
  if (seconds < 0) return "0 s";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** How long ago a time of the contract (µs) was. */
export function ago(timeUs: number | null | undefined, nowMs: number): string {
  return timeUs ? `${span((nowMs - timeUs / 1000) / 1000)} ago` : "–";
}

export function clock(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString("en-GB");
}

export function fullTime(timeUs: number): string {
  return new Date(timeUs / 1000).toLocaleString("en-GB");
}
