/** What was asked of devices from this page, and what came of it. */

import { signal } from "@preact/signals";
import { NoReply, Refused } from "../client/calls";
import type { Fleet } from "./fleet";

export interface Asked {
  readonly id: number;
  readonly timeMs: number;
  readonly device: string;
  readonly verb: string;
  readonly about: string;
  readonly state: "waiting" | "done" | "refused" | "silent";
  readonly code?: number;
  /** What the device said, or why nothing was heard. */
  readonly text?: string;
  readonly tookMs?: number;
}

const KEPT = 100;
const SHOWN_MS = 6000;
let count = 0;

export const commands = signal<readonly Asked[]>([]);
/** Ids of those shown for a moment, or until they are dismissed. */
export const shown = signal<readonly number[]>([]);

export function dismiss(id: number): void {
  shown.value = shown.value.filter((other) => other !== id);
}

function put(asked: Asked): void {
  const others = commands.value.filter(({ id }) => id !== asked.id);
  commands.value = [asked, ...others].sort((a, b) => b.id - a.id).slice(0, KEPT);
  if (!shown.value.includes(asked.id)) shown.value = [...shown.value.slice(-2), asked.id];
  if (asked.state === "done") setTimeout(() => dismiss(asked.id), SHOWN_MS);
}

/** Ask, note what comes of it, and give it back. Raises Refused or NoReply, once noted. */
export async function command<T>(
  fleet: Fleet,
  device: string,
  verb: string,
  args: Record<string, unknown>,
): Promise<T> {
  const about = typeof args.id === "string" ? args.id : typeof args.stream === "string" ? args.stream : "";
  const begun: Asked = { id: ++count, timeMs: Date.now(), device, verb, about, state: "waiting" };
  put(begun);
  const took = () => Date.now() - begun.timeMs;
  try {
    const data = await fleet.caller.call<T>(device, verb, args);
    const { warnings = [], changed } = data as { warnings?: string[]; changed?: boolean };
    const text = [...(changed === false ? ["It was so already."] : []), ...warnings].join("\n");
    put({ ...begun, state: "done", code: 200, text, tookMs: took() });
    return data;
  } catch (error) {
    if (error instanceof Refused) {
      put({ ...begun, state: "refused", code: error.reply.code, text: error.message, tookMs: took() });
    } else {
      const text = error instanceof NoReply || error instanceof Error ? error.message : String(error);
      put({ ...begun, state: "silent", text, tookMs: took() });
    }
    throw error;
  }
}
