/** One connection to a broker over WebSocket: MQTT 5, else 3.1.1; it comes back by itself and subscribes anew. */

import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { IConnackPacket, IPublishPacket } from "mqtt-packet";

/** Where and as whom to connect. */
export interface Endpoint {
  /** `ws://` or `wss://`, with the broker's path. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export type Link =
  | { readonly state: "connecting" }
  | { readonly state: "online"; readonly protocol: "5" | "3.1.1" }
  /** It was there, and is being tried again. */
  | { readonly state: "lost"; readonly why: string }
  /** It was never there, or the broker does not want us: nothing is tried until somebody connects anew. */
  | { readonly state: "failed"; readonly why: string }
  | { readonly state: "closed" };

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
  /** MQTT 5 user properties; empty with 3.1.1. */
  readonly properties: Readonly<Record<string, string | string[]>>;
}

export interface Listener {
  message(message: Message): void;
  link(link: Link): void;
}

const CONNECT_MS = 10_000;
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 15_000;
const UNSUPPORTED = new Set([0x01, 0x84]); // CONNACK: unacceptable protocol version, as 3.1.1 and as 5 say it
const REFUSED = new Set([0x04, 0x05, 0x85, 0x86, 0x87, 0x8a, 0x8c]); // who we are will be no better next time

/** Until `close`. Subscriptions are counted: a filter is subscribed once however many want it. */
export class Connection {
  link: Link = { state: "connecting" };
  readonly #endpoint: Endpoint;
  readonly #listener: Listener;
  readonly #filters = new Map<string, { count: number; qos: 0 | 1 }>();
  readonly clientId: string;
  #client: MqttClient | null = null;
  #protocol: 5 | 4 = 5;
  #met = false;
  #accepted = false;
  #retries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #why = "";

  constructor(endpoint: Endpoint, listener: Listener) {
    this.#endpoint = endpoint;
    this.#listener = listener;
    // Brokers' ACLs may go by it, so it is the same for all calls of this page; and nobody else has it.
    this.clientId = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  }

  open(): void {
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#filters.clear();
    this.#drop();
    this.#say({ state: "closed" });
  }

  /** Try at once, when a next try is being waited for. */
  retry(): void {
    if (this.link.state === "lost" && this.#client === null) {
      clearTimeout(this.#timer);
      this.#connect();
    }
  }

  /** Hear what comes on these filters, until the function that is given back is called. */
  subscribe(filters: readonly string[], qos: 0 | 1 = 1): () => void {
    for (const filter of filters) {
      const known = this.#filters.get(filter);
      if (known !== undefined) known.count += 1;
      else {
        this.#filters.set(filter, { count: 1, qos });
        if (this.#accepted) this.#client?.subscribe(filter, { qos });
      }
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      for (const filter of filters) {
        const known = this.#filters.get(filter);
        if (known === undefined) continue;
        known.count -= 1;
        if (known.count > 0) continue;
        this.#filters.delete(filter);
        if (this.#accepted) this.#client?.unsubscribe(filter);
      }
    };
  }

  /** Publish with QoS 1; rejects when the broker is not there, or refuses it. */
  publish(
    topic: string,
    payload: string,
    reply?: { topic: string; id: string; expiryS: number },
  ): Promise<void> {
    const client = this.#client;
    if (client === null || !this.#accepted) return Promise.reject(new Error("The broker is not connected."));
    const properties =
      this.#protocol === 5 && reply !== undefined
        ? {
            contentType: "application/json",
            responseTopic: reply.topic,
            correlationData: new TextEncoder().encode(reply.id) as Buffer,
            messageExpiryInterval: reply.expiryS,
          }
        : undefined;
    return new Promise((resolve, reject) => {
      client.publish(topic, payload, { qos: 1, ...(properties && { properties }) }, (error) => {
        if (error) reject(new Error(`The broker does not take commands from this user: ${error.message}`));
        else resolve();
      });
    });
  }

  #connect(): void {
    const { url, user, password } = this.#endpoint;
    const options: IClientOptions = {
      clientId: this.clientId,
      protocolVersion: this.#protocol,
      clean: true,
      keepalive: 60, // timers of hidden pages run once a minute
      timerVariant: "native", // its worker would come from a blob: URL, which the page forbids
      connectTimeout: CONNECT_MS,
      reconnectPeriod: 0, // tried again here, where it is known whether it is of any use
      resubscribe: false,
      queueQoSZero: false,
      ...(user ? { username: user } : {}),
      ...(password ? { password } : {}),
    };
    this.#accepted = false;
    this.#why = "";
    if (!this.#met) this.#say({ state: "connecting" });
    let client: MqttClient;
    try {
      client = mqtt.connect(url, options);
    } catch (error) {
      this.#say({ state: "failed", why: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.#client = client;
    let connack: IConnackPacket | null = null;
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "connack") connack = packet;
    });
    client.on("connect", () => this.#online());
    client.on("message", (topic, payload, packet) => this.#heard(topic, payload, packet));
    client.on("error", (error) => {
      this.#why = error.message;
    });
    client.on("disconnect", (packet) => {
      this.#why = packet.properties?.reasonString ?? `the broker ended it (${packet.reasonCode ?? 0})`;
    });
    client.on("close", () => {
      if (this.#client === client) this.#ended(connack);
    });
  }

  #online(): void {
    this.#met = true;
    this.#accepted = true;
    this.#retries = 0;
    for (const [filter, { qos }] of this.#filters) this.#client?.subscribe(filter, { qos });
    this.#say({ state: "online", protocol: this.#protocol === 5 ? "5" : "3.1.1" });
  }

  #ended(connack: IConnackPacket | null): void {
    const code = connack?.reasonCode ?? connack?.returnCode ?? 0;
    const asked = this.#accepted;
    this.#drop();
    if (code !== 0 && REFUSED.has(code)) {
      this.#say({ state: "failed", why: `The broker refuses this user or password (${code}).` });
    } else if (!this.#met && this.#protocol === 5 && (UNSUPPORTED.has(code) || !asked)) {
      // Brokers that know 3.1.1 only say so, hang up, or say nothing.
      this.#protocol = 4;
      this.#connect();
    } else if (!this.#met) {
      const why = this.#why === "" ? "nothing answers there, or not MQTT over WebSocket" : this.#why;
      this.#say({ state: "failed", why: `No connection to ${this.#endpoint.url}: ${why}.` });
    } else {
      this.#say({ state: "lost", why: this.#why === "" ? "the connection broke" : this.#why });
      const pause = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.#retries++);
      this.#timer = setTimeout(() => this.#connect(), pause * (0.75 + Math.random() / 2));
    }
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#accepted = false;
    client?.end(true);
  }

  #heard(topic: string, payload: Uint8Array, packet: IPublishPacket): void {
    const properties = (packet.properties?.userProperties ?? {}) as Record<string, string | string[]>;
    this.#listener.message({ topic, payload, retained: packet.retain, properties });
  }

  #say(link: Link): void {
    this.link = link;
    this.#listener.link(link);
  }
}
