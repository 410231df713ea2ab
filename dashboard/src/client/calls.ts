/** Commands and their replies. */

import type { Connection, Message } from "./connection";
import type { Reply } from "./contract";
import { read } from "./payload";
import { type Signer, signed } from "./signing";
import type { Topics } from "./topics";

/** The device has refused: `reply` says why. */
export class Refused extends Error {
  override name = "Refused";
  constructor(readonly reply: Reply) {
    super(reply.error ?? "no reason given");
  }
}

/** No reply came in time, or the command could not be sent. */
export class NoReply extends Error {
  override name = "NoReply";
}

const TIMEOUT_MS = 10_000;

interface Waiting {
  device: string;
  answered(reply: Reply): void;
}

/** Sends commands over a connection, and hands each reply to who asked. */
export class Caller {
  signer: Signer | null = null;
  readonly #waiting = new Map<string, Waiting>();
  readonly #connection: Connection;
  readonly #topics: Topics;
  readonly #unsubscribe: () => void;
  readonly #inbox: string;

  constructor(connection: Connection, topics: Topics) {
    this.#connection = connection;
    this.#topics = topics;
    this.#inbox = topics.inbox(connection.clientId);
    this.#unsubscribe = connection.subscribe([this.#inbox]);
  }

  close(): void {
    this.#unsubscribe();
  }

  /** What comes in the inbox or, with MQTT 3.1.1, on the `resp` topic of a device; whether it was awaited. */
  heard(message: Message): boolean {
    const reply = read<Reply>(message.payload);
    const waiting = reply === null ? undefined : this.#waiting.get(reply.id ?? "");
    if (reply === null || waiting === undefined || reply.device !== waiting.device) return false;
    waiting.answered(reply);
    return true;
  }

  isInbox(topic: string): boolean {
    return topic === this.#inbox;
  }

  /** The `data` of the reply. Raises Refused or NoReply. */
  async call<T>(device: string, verb: string, args: object): Promise<T> {
    // Brokers without MQTT 5 pass on no response topic: the reply comes on the device's own.
    const old = this.#connection.link.state === "online" && this.#connection.link.protocol === "3.1.1";
    const unsubscribe = old
      ? this.#connection.subscribe([this.#topics.device(device, "resp")])
      : () => undefined;
    const id = uniqueId();
    try {
      const reply = await this.#asked(device, verb, id, args);
      if (!reply.ok) throw new Refused(reply);
      return (reply.data ?? {}) as T;
    } finally {
      this.#waiting.delete(id);
      unsubscribe();
    }
  }

  async #asked(device: string, verb: string, id: string, args: object): Promise<Reply> {
    const topic = this.#topics.command(device, verb);
    const request = { id, args };
    const payload =
      this.signer === null ? JSON.stringify(request) : await signed(this.signer, topic, request, Date.now());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answer = new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(id, { device, answered: resolve });
      timer = setTimeout(() => {
        reject(
          new NoReply(`No reply from ${device} in ${TIMEOUT_MS / 1000} s; whether it was done is not known.`),
        );
      }, TIMEOUT_MS);
    });
    answer.catch(() => undefined); // told below, unless sending failed first
    try {
      const expiryS = TIMEOUT_MS / 1000;
      await this.#connection.publish(topic, payload, { topic: this.#inbox, id, expiryS });
      return await answer;
    } catch (error) {
      throw error instanceof NoReply
        ? error
        : new NoReply(error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** 128 random bits; `crypto.randomUUID` exists on https:// only. */
export function uniqueId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) =>
    part.toString(16).padStart(8, "0"),
  ).join("");
}
