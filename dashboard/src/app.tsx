/** The frame around all views: where one is, and how the connection fares. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { linkTo, route } from "./state/route";
import { access, disconnect, fleet } from "./state/session";
import { theme, toggleTheme } from "./state/theme";
import { State } from "./ui/parts";
import { CommandLog, Toasts } from "./views/commands";
import { Connect } from "./views/connect";
import { DeviceView } from "./views/device";
import { FleetView } from "./views/fleet";
import { KeyButton } from "./views/keys";
import { StreamView } from "./views/stream";

export function App() {
  const current = fleet.value;
  const link = current?.link.value;
  const at = route.value;
  const inside = current !== null && (link?.state === "online" || link?.state === "lost");
  useEffect(() => {
    const where =
      at.view === "fleet" ? "" : at.view === "device" ? `${at.device} · ` : `${at.stream} · ${at.device} · `;
    document.title = `${where}Vedette`;
  }, [at]);
  return (
    <>
      <Bar inside={inside} />
      {current === null || !inside ? (
        <Connect />
      ) : at.view === "fleet" ? (
        <FleetView fleet={current} />
      ) : at.view === "device" ? (
        <DeviceView key={at.device} fleet={current} id={at.device} />
      ) : (
        <StreamView key={`${at.device}/${at.stream}`} fleet={current} device={at.device} stream={at.stream} />
      )}
      {link?.state === "lost" && (
        <div class="banner" role="alert">
          <span>
            The connection to the broker is lost: {link.why}. <span class="pulse">Trying again …</span>
          </span>
          <button type="button" onClick={() => current?.retry()}>
            Now
          </button>
        </div>
      )}
      <Toasts />
    </>
  );
}

function Bar(props: { inside: boolean }) {
  const open = useSignal(false);
  const at = route.value;
  const link = fleet.value?.link.value;
  return (
    <header class="bar">
      <a class="brand" href={linkTo()} aria-label="Vedette: all devices">
        <Eye />
        <span class={at.view === "fleet" ? "" : "wide"}>Vedette</span>
      </a>
      {props.inside && at.view !== "fleet" && (
        <nav class="trail" aria-label="Where you are">
          <span aria-hidden="true">/</span>
          {at.view === "device" ? <span>{at.device}</span> : <a href={linkTo(at.device)}>{at.device}</a>}
          {at.view === "stream" && (
            <>
              <span aria-hidden="true">/</span>
              <span>{at.stream}</span>
            </>
          )}
        </nav>
      )}
      <div class="end">
        {props.inside && (
          <>
            <span class="wide small muted" data-link={link?.state}>
              <State
                state={link?.state === "online" ? host() : "broker lost"}
                tone={link?.state === "online" ? "good" : "bad"}
                title={link?.state === "online" ? `connected, MQTT ${link.protocol}` : ""}
              />
            </span>
            <div class="menu" data-open={open.value} onClickCapture={() => (open.value = false)}>
              <CommandLog />
              <KeyButton />
              <button type="button" class="quiet" onClick={disconnect}>
                Leave
              </button>
            </div>
            <button
              type="button"
              class="quiet narrow"
              aria-label="Menu"
              aria-expanded={open.value}
              onClick={() => (open.value = !open.value)}
            >
              ☰
            </button>
          </>
        )}
        <button
          type="button"
          class="quiet"
          aria-label={theme.value === "dark" ? "Light colours" : "Dark colours"}
          title={theme.value === "dark" ? "Light colours" : "Dark colours"}
          onClick={toggleTheme}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
      </div>
    </header>
  );
}

function host(): string {
  try {
    return new URL(access.value?.url ?? "").host;
  } catch {
    return "connected";
  }
}

function Eye() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="var(--accent)" stroke-width="2.6">
      <path d="M3 16c3.500-6 7.800-9 13-9s9.500 3 13 9c-3.500 6-7.800 9-13 9S6.500 22 3 16Z" />
      <circle cx="16" cy="16" r="4.500" fill="var(--accent)" stroke="none" />
    </svg>
  );
}
