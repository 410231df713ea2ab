import type { Event } from "../state/events";
import { Empty } from "../ui/parts";
import { clock } from "../ui/words";

/** What happened, newest first. */
export function EventList(props: { events: readonly Event[]; empty: string }) {
  if (props.events.length === 0) return <Empty title="No events">{props.empty}</Empty>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <ol class="events" tabIndex={0} aria-label="Events">
      {props.events.map(({ id, timeMs, tone, what }) => (
        <li key={id}>
          <time dateTime={new Date(timeMs).toISOString()} class="small">
            {clock(timeMs)}
          </time>
          <span class={`wrap ${tone === "plain" ? "" : tone}`}>{what}</span>
        </li>
      ))}
    </ol>
  );
}
