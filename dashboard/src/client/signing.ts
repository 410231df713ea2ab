/** Signed commands (docs/signed-commands.md): Ed25519 by WebCrypto, with a key that cannot be read out again. */

/** A key that signs, and its name in the device's `[security.keys.NAME]`. */
export interface Signer {
  readonly name: string;
  readonly key: CryptoKey;
}

/** The text holds no Ed25519 private key, or this browser cannot sign. */
export class KeyError extends Error {
  override name = "KeyError";
}

const MARK = "vedette-command-v1";
const VALID_US = 60_000_000;

/** The key in the PEM file that `vedette keys new` wrote. Raises KeyError. */
export async function importKey(pem: string, name: string): Promise<Signer> {
  const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)?.[1];
  if (body === undefined) {
    throw new KeyError("This is no private key in PEM, as `vedette keys new --out operator.pem` writes it.");
  }
  if (globalThis.crypto?.subtle === undefined) {
    throw new KeyError("The browser signs on pages from https:// or from this machine only.");
  }
  try {
    const der = Uint8Array.from(atob(body.replace(/\s/g, "")), (char) => char.charCodeAt(0));
    return { name, key: await crypto.subtle.importKey("pkcs8", der, "Ed25519", false, ["sign"]) };
  } catch {
    throw new KeyError("The file holds no Ed25519 private key, or this browser does not know Ed25519.");
  }
}

/** A request in its envelope, valid for a minute at this topic only. */
export async function signed(signer: Signer, topic: string, request: object, nowMs: number): Promise<string> {
  const inner = JSON.stringify({ ...request, expires: Math.round(nowMs * 1000) + VALID_US });
  const message = new TextEncoder().encode(`${MARK}\n${signer.name}\n${topic}\n${inner}`);
  const sig = new Uint8Array(await crypto.subtle.sign("Ed25519", signer.key, message));
  return JSON.stringify({ signed: inner, key: signer.name, sig: btoa(String.fromCharCode(...sig)) });
}
