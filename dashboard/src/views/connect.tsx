/** The form that says which broker to speak to. */

import { useState } from "preact/hooks";
import { DEFAULT_PREFIX } from "../client/topics";
import { type Access, access, connect, disconnect, fleet } from "../state/session";

export function Connect() {
  const begun = access.value;
  if (begun === null) return <main aria-busy="true" />;
  return <ConnectForm begun={begun} />;
}

function ConnectForm(props: { begun: Access }) {
  const [form, setForm] = useState(props.begun);
  const [password, setPassword] = useState("");
  const [wrong, setWrong] = useState<string | null>(null);
  const link = fleet.value?.link.value;
  const connecting = link?.state === "connecting";
  const why = wrong ?? (link?.state === "failed" ? link.why : null);
  const set = (key: keyof Access) => (event: Event) =>
    setForm({ ...form, [key]: (event.target as HTMLInputElement).value });

  const submit = () => {
    const problem = problemOf(form);
    setWrong(problem);
    if (problem !== null) return document.getElementById("broker-url")?.focus();
    connect({ url: form.url.trim(), user: form.user.trim(), prefix: form.prefix.trim() }, password);
  };

  return (
    <main>
      <form
        class="panel"
        style={{ maxWidth: "460px", margin: "6vh auto 0" }}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div class="body stack" style={{ padding: "20px" }}>
          <h1>Connect to a broker</h1>
          <p class="muted">
            This page speaks to your MQTT broker by itself, over WebSocket. What you may see and do is what
            the broker lets this user.
          </p>
          <div class="field">
            <label for="broker-url">Broker</label>
            <input
              id="broker-url"
              class="mono"
              value={form.url}
              onInput={set("url")}
              placeholder="wss://broker.example.com:8084/mqtt"
              autocomplete="url"
              spellcheck={false}
              aria-invalid={wrong !== null}
              aria-describedby="broker-why"
            />
          </div>
          <div class="field">
            <label for="broker-user">User</label>
            <input
              id="broker-user"
              value={form.user}
              onInput={set("user")}
              placeholder="none"
              autocomplete="username"
              spellcheck={false}
            />
          </div>
          <div class="field">
            <label for="broker-password">Password</label>
            <input
              id="broker-password"
              type="password"
              value={password}
              onInput={(event) => setPassword(event.currentTarget.value)}
              autocomplete="current-password"
            />
          </div>
          <details>
            <summary>Topic prefix</summary>
            <div class="field" style={{ marginTop: "8px" }}>
              <input
                id="broker-prefix"
                aria-label="Topic prefix"
                class="mono"
                value={form.prefix}
                onInput={set("prefix")}
                placeholder={DEFAULT_PREFIX}
                spellcheck={false}
              />
              <span class="muted small">`broker.topic_prefix` of the devices.</span>
            </div>
          </details>
          <div role="alert" id="broker-why">
            {why !== null && (
              <p class="note" data-tone="bad">
                {why}
              </p>
            )}
          </div>
          <div class="spread">
            <button type="submit" class="primary" disabled={connecting}>
              {connecting ? "Connecting …" : "Connect"}
            </button>
            {connecting && (
              <button type="button" onClick={disconnect}>
                Cancel
              </button>
            )}
            <span class="muted small end">Everything but the password is remembered.</span>
          </div>
        </div>
      </form>
    </main>
  );
}

/** What is wrong with the address, for a person; null when nothing is. */
function problemOf({ url, prefix }: Access): string | null {
  let parsed: URL;
  try {
    parsed = new URL(url.trim());
  } catch {
    return "The broker's address is no URL: give one such as wss://broker.example.com:8084/mqtt.";
  }
  if (parsed.protocol === "mqtt:" || parsed.protocol === "mqtts:") {
    return "Browsers reach brokers over WebSocket only: give the address of its WebSocket listener, ws:// or wss://.";
  }
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")
    return "The broker's address begins with ws:// or wss://.";
  if (parsed.username || parsed.password)
    return "User and password have fields of their own; take them out of the address.";
  if (parsed.protocol === "ws:" && location.protocol === "https:") {
    return "From a page with https:// browsers reach wss:// only.";
  }
  if (/[+#]|^\/|\/$|^\$/.test(prefix.trim()) || prefix.trim() === "") {
    return "The topic prefix is one such as vedette/v1: no + or #, no / at its ends.";
  }
  return null;
}
