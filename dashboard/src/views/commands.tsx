/** The newest replies, and all that was asked from this page. */

import { useSignal } from "@preact/signals";
import { type Asked, commands, dismiss, shown } from "../state/commands";
import { Dialog, Empty } from "../ui/parts";
import { clock } from "../ui/words";

function said(asked: Asked): string {
  switch (asked.state) {
    case "waiting":
      return "waiting …";
    case "done":
      return "done";
    case "refused":
      return `refused (${asked.code})`;
    case "silent":
      return "no reply";
  }
}

function toneOf(asked: Asked): string {
  return asked.state === "done" ? "good" : asked.state === "waiting" ? "plain" : "bad";
}

/** In a corner: each reply for a moment; what went wrong until it is dismissed. */
export function Toasts() {
  const all = commands.value.filter(({ id }) => shown.value.includes(id));
  return (
    <div class="toasts" role="status" aria-live="polite">
      {all.map((asked) => (
        <div class="toast" key={asked.id} data-tone={toneOf(asked)} data-state={asked.state}>
          <span>
            <strong class="mono">{asked.verb}</strong> {asked.about}{" "}
            <span class={toneOf(asked)}>{said(asked)}</span>
          </span>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(asked.id)}>
            ✕
          </button>
          {asked.text && <p class="small">{asked.text}</p>}
        </div>
      ))}
    </div>
  );
}

/** All that was asked, newest first. */
export function CommandLog() {
  const open = useSignal(false);
  const count = commands.value.length;
  return (
    <>
      <button type="button" class="quiet" onClick={() => (open.value = true)}>
        Commands {count > 0 && <span class="chip">{count}</span>}
      </button>
      {open.value && (
        <Dialog
          title="Commands from this page"
          onClose={() => (open.value = false)}
          foot={
            <span class="end">
              <button type="button" onClick={() => (open.value = false)}>
                Close
              </button>
            </span>
          }
        >
          {count === 0 ? (
            <Empty title="No commands yet">
              What is asked of devices, and what they reply, is listed here.
            </Empty>
          ) : (
            <table>
              <tbody>
                {commands.value.map((asked) => (
                  <tr key={asked.id}>
                    <td class="muted">{clock(asked.timeMs)}</td>
                    <td class="wrap">
                      <span class="mono">{asked.verb}</span> {asked.about}
                      <span class="below">{asked.device}</span>
                    </td>
                    <td class="wrap">
                      <span class={toneOf(asked)}>{said(asked)}</span>
                      {asked.tookMs !== undefined && <span class="muted"> in {asked.tookMs} ms</span>}
                      {asked.text && <span class="below">{asked.text}</span>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Dialog>
      )}
    </>
  );
}
