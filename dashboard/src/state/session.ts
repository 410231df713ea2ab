/** Which broker this page speaks to, and what is remembered of it. */

import { computed, effect, signal } from "@preact/signals";
import type { Endpoint } from "../client/connection";
import { DEFAULT_PREFIX } from "../client/topics";
import { Fleet } from "./fleet";

/** What the connect form holds. The password is never stored. */
export interface Access {
  url: string;
  user: string;
  prefix: string;
}

const STORED = "vedette.access";

/** null until somebody has connected. */
export const fleet = signal<Fleet | null>(null);

/** What the form begins with; null while it is being looked up. */
export const access = signal<Access | null>(null);

export const online = computed(() => fleet.value?.link.value.state === "online");

/** Connect, and remember with what. */
export function connect(to: Access, password: string): void {
  fleet.value?.close();
  const { url, user, prefix } = to;
  access.value = to;
  const endpoint: Endpoint = { url, user, password };
  fleet.value = new Fleet(endpoint, prefix);
}

export function disconnect(): void {
  fleet.value?.close();
  fleet.value = null;
}

/** Only what has worked is remembered. */
effect(() => {
  if (online.value && access.peek() !== null) store(STORED, JSON.stringify(access.peek()));
});

/** What the server of the page says of its broker (`config.json`), what was remembered, or a guess; and connect at once if told so. */
export async function begin(): Promise<void> {
  const told = await configured();
  const kept = remembered();
  const secure = location.protocol === "https:";
  const guess = `${secure ? "wss" : "ws"}://${location.hostname || "localhost"}:${secure ? 8084 : 9001}/mqtt`;
  access.value = {
    url: told.broker ?? kept.url ?? guess,
    user: told.user ?? kept.user ?? "",
    prefix: told.prefix ?? kept.prefix ?? DEFAULT_PREFIX,
  };
  if (told.connect && told.broker) connect(access.value, "");
}

interface Configured {
  broker?: string | null;
  user?: string | null;
  prefix?: string | null;
  connect?: boolean;
}

async function configured(): Promise<Configured> {
  try {
    const answer = await fetch("./config.json", { cache: "no-store" });
    return answer.ok ? ((await answer.json()) as Configured) : {};
  } catch {
    return {}; // any web server may serve the page, with or without such a file
  }
}

function remembered(): Partial<Access> {
  try {
    return JSON.parse(stored(STORED) ?? "{}") as Partial<Access>;
  } catch {
    return {};
  }
}

/** Storage may be switched off; then nothing is remembered. */
export function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As if the page were opened for the first time, each time.
  }
}

export function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
