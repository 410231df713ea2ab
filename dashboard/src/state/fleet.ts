/** All devices of a broker, and who is looked at. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { Caller } from "../client/calls";
import { Connection, type Endpoint, type Link, type Message } from "../client/connection";
import { heard, Topics } from "../client/topics";
import { Device } from "./device";
import { Paced } from "./paced";

/** A picture of a stream, as it came. */
export interface Picture {
  readonly jpeg: Uint8Array;
  /** When it was taken, µs since the Unix epoch; null where the broker passes on no properties (MQTT 3.1.1). */
  readonly timeUs: number | null;
}

export type PictureListener = (picture: Picture) => void;

export class Fleet {
  readonly devices = new Map<string, Device>();
  /** Devices came, went or changed. */
  readonly changed = new Paced();
  readonly topics: Topics;
  readonly caller: Caller;
  readonly #connection: Connection;
  readonly #link = signal<Link>({ state: "connecting" });
  readonly #watched = new Map<string, number>();
  readonly #pictures = new Map<string, Set<PictureListener>>();

  constructor(endpoint: Endpoint, prefix: string) {
    this.topics = new Topics(prefix);
    this.#connection = new Connection(endpoint, {
      message: (message) => this.#hear(message),
      link: (link) => this.#linked(link),
    });
    this.caller = new Caller(this.#connection, this.topics);
    const all = (["status", "reported"] as const).map((name) => this.topics.device("+", name));
    this.#connection.subscribe(all);
    this.#connection.open();
  }

  get link(): ReadonlySignal<Link> {
    return this.#link;
  }

  get clientId(): string {
    return this.#connection.clientId;
  }

  close(): void {
    this.#connection.close();
  }

  retry(): void {
    this.#connection.retry();
  }

  /** Hear all that one device tells, its results too, until the function that is given back is called. */
  watch(id: string): () => void {
    const device = this.#at(id);
    const topics = (["info", "metrics", "gaps"] as const).map((name) => this.topics.device(id, name));
    const unsubscribe = this.#connection.subscribe([...topics, ...this.topics.results(id)]);
    this.#watched.set(id, (this.#watched.get(id) ?? 0) + 1);
    return () => {
      unsubscribe();
      const left = (this.#watched.get(id) ?? 1) - 1;
      if (left > 0) this.#watched.set(id, left);
      else {
        this.#watched.delete(id);
        device.forgetResults();
      }
    };
  }

  /** Hear the pictures of a stream that somebody asks the device for. */
  pictures(device: string, stream: string, listener: PictureListener): () => void {
    const key = `${device}/${stream}`;
    const listeners = this.#pictures.get(key) ?? new Set();
    listeners.add(listener);
    this.#pictures.set(key, listeners);
    const preview = this.#connection.subscribe([this.topics.stream(device, stream, "preview")], 0);
    const snapshot = this.#connection.subscribe([this.topics.stream(device, stream, "snapshot")]);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#pictures.delete(key);
      preview();
      snapshot();
    };
  }

  #at(id: string): Device {
    let device = this.devices.get(id);
    if (device === undefined) {
      device = new Device(id);
      this.devices.set(id, device);
      this.changed.touch();
    }
    return device;
  }

  #linked(link: Link): void {
    if (link.state === "lost") for (const device of this.devices.values()) device.interrupted();
    this.#link.value = link;
  }

  #hear(message: Message): void {
    if (this.caller.isInbox(message.topic)) {
      this.caller.heard(message);
      return;
    }
    const about = heard(this.topics.prefix, message.topic);
    if (about === null) return;
    if (about.kind === "snapshot" || about.kind === "preview") {
      const listeners = this.#pictures.get(`${about.device}/${about.stream}`);
      const time = Number(message.properties.time);
      const picture = { jpeg: message.payload, timeUs: Number.isFinite(time) ? time : null };
      for (const listener of listeners ?? []) listener(picture);
      return;
    }
    if (about.kind === "reply") {
      this.caller.heard(message);
      return;
    }
    if (message.payload.length === 0 && !this.devices.has(about.device)) return;
    this.#tell(this.#at(about.device), about.kind, message);
  }

  #tell(device: Device, kind: string, message: Message): void {
    const { payload } = message;
    switch (kind) {
      case "status":
        device.hearStatus(payload);
        // Who clears the status of a device has taken it out of the fleet.
        if (payload.length === 0 && !this.#watched.has(device.id)) this.devices.delete(device.id);
        this.changed.touch();
        break;
      case "reported":
        device.hearReported(payload, this.#watched.has(device.id));
        this.changed.touch();
        break;
      case "info":
        device.hearInfo(payload);
        break;
      case "metrics":
        device.hearMetrics(payload);
        break;
      case "gaps":
        device.hearGaps(payload);
        break;
      case "result":
        if (this.#watched.has(device.id)) device.hearResult(payload, message.properties.replay === "1");
        break;
    }
  }
}
