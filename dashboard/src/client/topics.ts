/** The topics of the contract, below a prefix such as `vedette/v1`. */

/** Ids of devices, streams, algorithms, groups and clients. */
export const ID = /^[A-Za-z0-9_.-]{1,64}$/;

export const DEFAULT_PREFIX = "vedette/v1";

/** What a message is about. */
export type Heard =
  | { kind: "status" | "info" | "reported" | "metrics" | "gaps" | "reply"; device: string }
  | { kind: "streamStatus" | "snapshot" | "preview"; device: string; stream: string }
  | { kind: "result"; device: string; stream: string; algorithm: string };

const OF_DEVICE = new Map<string, "status" | "info" | "reported" | "metrics" | "gaps" | "reply">([
  ["status", "status"],
  ["info", "info"],
  ["reported", "reported"],
  ["metrics", "metrics"],
  ["gaps", "gaps"],
  ["resp", "reply"],
]);

const OF_STREAM = new Map<string, "streamStatus" | "snapshot" | "preview">([
  ["status", "streamStatus"],
  ["snapshot", "snapshot"],
  ["preview", "preview"],
]);

/** What a topic is about; null when it is none of the contract, or none that a dashboard reads. */
export function heard(prefix: string, topic: string): Heard | null {
  if (!topic.startsWith(`${prefix}/d/`)) return null;
  const [device = "", first = "", stream = "", third = "", algorithm = "", last, ...more] = topic
    .slice(prefix.length + 3)
    .split("/");
  if (!ID.test(device) || more.length > 0) return null;
  if (first !== "s") {
    const kind = OF_DEVICE.get(first);
    return kind !== undefined && stream === "" ? { kind, device } : null;
  }
  if (!ID.test(stream)) return null;
  if (third === "a" && ID.test(algorithm) && (last === "result" || last === "result.json")) {
    return { kind: "result", device, stream, algorithm };
  }
  const kind = OF_STREAM.get(third);
  return kind !== undefined && algorithm === "" ? { kind, device, stream } : null;
}

/** Builds topics and filters below one prefix. */
export class Topics {
  constructor(readonly prefix: string = DEFAULT_PREFIX) {}

  /** A topic of a device; `+` for every device. */
  device(device: string, name: "status" | "info" | "reported" | "metrics" | "gaps" | "resp"): string {
    return `${this.prefix}/d/${device}/${name}`;
  }

  stream(device: string, stream: string, name: "status" | "snapshot" | "preview"): string {
    return `${this.prefix}/d/${device}/s/${stream}/${name}`;
  }

  /** All results of a device, in both codecs: only together are their numbers gapless. */
  results(device: string): string[] {
    return ["result", "result.json"].map((name) => `${this.prefix}/d/${device}/s/+/a/+/${name}`);
  }

  command(device: string, verb: string): string {
    return `${this.prefix}/d/${device}/cmd/${verb}`;
  }

  /** Where the replies to a client with MQTT 5 go. */
  inbox(client: string): string {
    return `${this.prefix}/client/${client}/resp`;
  }
}
