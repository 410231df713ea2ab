/** One device: what runs on it, how it fares, and the buttons that change it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import { linkTo } from "../state/route";
import { Empty, nowMs, Panel, State } from "../ui/parts";
import { ago } from "../ui/words";
import { About } from "./about";
import { Algorithms } from "./algorithms";
import { CompletenessLine } from "./completeness";
import { EventList } from "./events";
import { ItemDialog, type ItemTask } from "./item";
import { type Removal, RemoveDialog } from "./steer";
import { Streams } from "./streams";

export function DeviceView(props: { fleet: Fleet; id: string }) {
  const { fleet, id } = props;
  useEffect(() => fleet.watch(id), [fleet, id]);
  const device = fleet.devices.get(id);
  const task = useSignal<ItemTask | null>(null);
  const removal = useSignal<Removal | null>(null);
  fleet.changed.watch();
  device?.changed.watch();
  if (device === undefined || (device.status === null && device.reported === null)) {
    return (
      <main>
        <Empty title={`Waiting for ${id} …`}>
          <p>Nothing is known of such a device at this broker, or not yet.</p>
          <a href={linkTo()}>All devices</a>
        </Empty>
      </main>
    );
  }
  const there = device.state === "online";
  return (
    <main class="stack">
      <Head device={device} />
      {!there && <Away device={device} />}
      <Streams
        fleet={fleet}
        device={device}
        onTask={(next) => (task.value = next)}
        onRemove={(next) => (removal.value = next)}
      />
      <Algorithms
        fleet={fleet}
        device={device}
        onTask={(next) => (task.value = next)}
        onRemove={(next) => (removal.value = next)}
      />
      <div class="halves">
        <Panel title="Events">
          <EventList events={device.events.all} empty="Nothing has happened since this page looks." />
        </Panel>
        <About device={device} />
      </div>
      {task.value !== null && (
        <ItemDialog fleet={fleet} device={device} task={task.value} onClose={() => (task.value = null)} />
      )}
      {removal.value !== null && (
        <RemoveDialog
          fleet={fleet}
          device={id}
          removal={removal.value}
          onClose={() => (removal.value = null)}
        />
      )}
    </main>
  );
}

function Head(props: { device: Device }) {
  const { device } = props;
  const { groups = [], labels = {} } = device.status ?? {};
  return (
    <div class="spread">
      <h1>{device.id}</h1>
      <State state={device.state} />
      {groups.map((group) => (
        <span class="chip" key={group}>
          {group}
        </span>
      ))}
      {Object.entries(labels).map(([key, value]) => (
        <span class="chip" key={key}>
          {key}={value}
        </span>
      ))}
      <span class="end muted small">
        <CompletenessLine device={device} />
      </span>
    </div>
  );
}

function Away(props: { device: Device }) {
  const { status } = props.device;
  const lost = status?.state === "lost";
  const time = props.device.reported?.time ?? status?.time;
  return (
    <p class="note" data-tone={lost ? "bad" : "warn"} role="status">
      {lost
        ? "The device went silent without a goodbye: no power, no network, or its agent was killed. "
        : "The agent has ended in good order. "}
      What is below is what it told last{time === undefined ? "" : `, ${ago(time, nowMs.value)}`}. Commands
      reach it when it is back.
    </p>
  );
}
