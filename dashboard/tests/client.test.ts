import { encode } from "@msgpack/msgpack";
import { expect, test } from "vitest";
import { PayloadError, read, unpack } from "../src/client/payload";
import { importKey, signed } from "../src/client/signing";
import { heard, Topics } from "../src/client/topics";

test("topics of the contract are known, and no others", () => {
  const prefix = "vedette/v1";
  expect(heard(prefix, `${prefix}/d/gate-7/status`)).toEqual({ kind: "status", device: "gate-7" });
  expect(heard(prefix, `${prefix}/d/gate-7/s/door/a/m/result`)).toEqual({
    kind: "result",
    device: "gate-7",
    stream: "door",
    algorithm: "m",
  });
  expect(heard(prefix, `${prefix}/d/gate-7/s/door/a/m/result.json`)?.kind).toBe("result");
  expect(heard(prefix, `${prefix}/d/gate-7/s/door/preview`)?.kind).toBe("preview");
  for (const topic of [
    "d/gate 7/status",
    "d/gate-7/s/door/a/m/result/more",
    "d/gate-7/cmd/ping",
    "d/gate-7",
    "all/cmd/ping",
  ]) {
    expect(heard(prefix, `${prefix}/${topic}`)).toBeNull();
  }
  expect(heard(prefix, "other/v1/d/gate-7/status")).toBeNull();
});

test("the results of a device are heard in both codecs", () => {
  expect(new Topics().results("gate-7")).toEqual([
    "vedette/v1/d/gate-7/s/+/a/+/result",
    "vedette/v1/d/gate-7/s/+/a/+/result.json",
  ]);
});

test("payloads are JSON or msgpack; anything else is an error, and an empty one is none", () => {
  expect(unpack(new TextEncoder().encode('{"a": 1}'))).toEqual({ a: 1 });
  expect(unpack(encode({ a: [1.5, "ü"] }))).toEqual({ a: [1.5, "ü"] });
  for (const wrong of [new Uint8Array([0x7b]), encode([1]), new Uint8Array([0xc1])]) {
    expect(() => unpack(wrong)).toThrow(PayloadError);
  }
  expect(read(new Uint8Array())).toBeNull();
});

// The example of docs/signed-commands.md, with the first private key of RFC 8032.
const PEM = `-----BEGIN PRIVATE KEY-----
${Buffer.from(
  "302e020100300506032b657004220420" + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
  "hex",
).toString("base64")}
-----END PRIVATE KEY-----`;

test("a command is signed as the documented example is", async () => {
  const topic = "vedette/v1/d/gate-7/cmd/stream.pause";
  const envelope = JSON.parse(
    await signed(await importKey(PEM, "operator"), topic, { id: "a1", args: { id: "door" } }, 1790000000000),
  );
  expect(envelope).toEqual({
    signed: '{"id":"a1","args":{"id":"door"},"expires":1790000060000000}',
    key: "operator",
    sig: "CJ7l2e+bthn7KSU9mY81m8OJ22I1r3ZA9sE/JV4AO5bS/rMbU1w1ivE2D+nbJZh2VmA5OasRiJt1IDPxjkwkCg==",
  });
});

test("what is no key is said to be none", async () => {
  await expect(importKey("nothing", "a")).rejects.toThrow("no private key in PEM");
  await expect(importKey(PEM.replace("MC4", "MC5"), "a")).rejects.toThrow("no Ed25519 private key");
});
