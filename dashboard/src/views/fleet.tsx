/** All devices: which are there, and which need somebody. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Device } from "../state/device";
import type { Fleet } from "../state/fleet";
import { linkTo } from "../state/route";
import { Empty, nowMs, Segments, State } from "../ui/parts";
import { ago, fullTime, number } from "../ui/words";
import "./fleet.css";

type Filter = "all" | "online" | "offline" | "lost" | "ailing";

const ROW_PX = 45;
const CARD_PX = 62;
const SPARE = 6; // rows rendered beyond what is seen
const HEAD_PX = 32;

/** What is ill comes first, then by name. */
function rank(device: Device): number {
  if (device.state === "lost") return 0;
  if (ails(device)) return 1;
  return device.state === "online" ? 2 : 3;
}

function ails(device: Device): boolean {
  return device.state === "online" && device.summary.streamsAiling + device.summary.algorithmsAiling > 0;
}

function passes(device: Device, filter: Filter): boolean {
  return filter === "all" || (filter === "ailing" ? ails(device) : device.state === filter);
}

// They outlive the view: who comes back from a device finds the list as it was.
const kept = { search: "", filter: "all" as Filter, top: 0 };

export function FleetView(props: { fleet: Fleet }) {
  const { fleet } = props;
  const search = useSignal(kept.search);
  const filter = useSignal<Filter>(kept.filter);
  kept.search = search.value;
  kept.filter = filter.value;
  const all = useComputed(() => {
    fleet.changed.watch();
    return [...fleet.devices.values()];
  }).value;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((device) => words.every((word) => device.words.includes(word)));
  const counts = new Map<Filter, number>(
    (["all", "online", "offline", "lost", "ailing"] as const).map((name) => [
      name,
      found.filter((device) => passes(device, name)).length,
    ]),
  );
  const rows = found
    .filter((device) => passes(device, filter.value))
    .sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id, "en", { numeric: true }));
  const names = { all: "All", online: "Online", offline: "Offline", lost: "Lost", ailing: "Ailing" };

  return (
    <main class="fleet">
      <h1 class="unseen">Fleet</h1>
      <div class="spread">
        <input
          class="search"
          type="search"
          placeholder="Search by id, group, label=value   /"
          aria-label="Search devices"
          value={search.value}
          onInput={(event) => {
            search.value = event.currentTarget.value;
          }}
        />
        <Segments
          label="Which devices"
          value={filter.value}
          onChange={(value) => {
            filter.value = value;
          }}
          choices={(Object.keys(names) as Filter[]).map((name) => [
            name,
            <>
              {names[name]} <span class="muted">{counts.get(name)}</span>
            </>,
          ])}
        />
      </div>
      {rows.length > 0 ? (
        <Rows rows={rows} />
      ) : (
        <div class="panel list">
          <Nothing
            fleet={fleet}
            some={all.length > 0}
            onReset={() => {
              search.value = "";
              filter.value = "all";
            }}
          />
        </div>
      )}
    </main>
  );
}

function Nothing(props: { fleet: Fleet; some: boolean; onReset(): void }) {
  if (props.some) {
    return (
      <Empty title="No device is like that">
        <button type="button" onClick={props.onReset}>
          Show all devices
        </button>
      </Empty>
    );
  }
  return (
    <Empty title="No device has been heard of yet">
      <p>
        Nothing is retained below <span class="mono">{props.fleet.topics.prefix}</span> at this broker. Start
        an agent with this broker in its <span class="mono">agent.toml</span>: it appears here at once.
      </p>
    </Empty>
  );
}

/** Arrow keys go from device to device. */
function move(event: KeyboardEvent): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 || !(event.target instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  const index = Number(event.target.dataset.index) + step;
  document.querySelector<HTMLAnchorElement>(`.fleet [data-index="${index}"]`)?.focus();
}

/** Only the rows that can be seen are in the page: a thousand devices are as quick as ten. */
function Rows(props: { rows: Device[] }) {
  const { rows } = props;
  const list = useRef<HTMLDivElement>(null);
  const view = useSignal({ top: kept.top, height: 800, row: ROW_PX, head: HEAD_PX });
  useLayoutEffect(() => {
    const element = list.current;
    if (element === null) return;
    element.scrollTop = kept.top;
    const measure = () => {
      const small = matchMedia("(max-width: 700px)").matches;
      kept.top = element.scrollTop;
      view.value = {
        top: element.scrollTop,
        height: element.clientHeight,
        row: small ? CARD_PX : ROW_PX,
        head: small ? 0 : HEAD_PX,
      };
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    element.addEventListener("keydown", move);
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
      element.removeEventListener("keydown", move);
    };
  }, []);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      document.querySelector<HTMLInputElement>(".fleet .search")?.focus();
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  const { top, height, row, head } = view.value;
  const first = Math.max(0, Math.floor(top / row) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + height) / row) + SPARE);

  return (
    <div class="panel list" ref={list}>
      <div class="row head" aria-hidden="true">
        <span>State</span>
        <span>Device</span>
        <span class="tags">Groups and labels</span>
        <span>Streams</span>
        <span>Algorithms</span>
        <span class="num">Runs/s</span>
        <span class="num waiting">Waiting</span>
        <span class="version">Version</span>
      </div>
      <ul class="rows" aria-label={`${rows.length} devices`} style={{ height: `${rows.length * row}px` }}>
        {rows.slice(first, last).map((device, index) => (
          <Row
            key={device.id}
            device={device}
            index={first + index}
            top={(first + index) * row}
            height={row}
            head={head}
          />
        ))}
      </ul>
    </div>
  );
}

function Row(props: { device: Device; index: number; top: number; height: number; head: number }) {
  const { device } = props;
  device.changed.watch();
  const { groups = [], labels = {}, version = "", time } = device.status ?? {};
  const summary = device.summary;
  const tags = [...groups, ...Object.entries(labels).map(([key, value]) => `${key}=${value}`)];
  const since = time === undefined ? "" : `${device.state} since ${fullTime(time)}`;
  return (
    <li>
      <a
        class="row"
        href={linkTo(device.id)}
        data-index={props.index}
        style={{ top: `${props.top}px`, height: `${props.height}px`, scrollMarginTop: `${props.head}px` }}
      >
        <State state={device.state} title={since} />
        <span class="id">{device.id}</span>
        <span class="tags">
          {tags.map((tag) => (
            <span class="chip" key={tag}>
              {tag}
            </span>
          ))}
        </span>
        <Share
          ok={summary.streamsRunning}
          of={summary.streams}
          ailing={summary.streamsAiling}
          what="streams"
          class="streams"
        />
        <Share
          ok={summary.algorithms - summary.algorithmsAiling}
          of={summary.algorithms}
          ailing={summary.algorithmsAiling}
          what="algorithms"
          class="algorithms"
        />
        <span class="num results">{summary.resultsPerS > 0 ? number(summary.resultsPerS) : "–"}</span>
        <span class={`num waiting ${summary.waiting > 100 ? "warn" : ""}`}>{number(summary.waiting)}</span>
        <span class="muted version" title={since}>
          {device.state === "online" ? version : ago(time, nowMs.value)}
        </span>
      </a>
    </li>
  );
}

function Share(props: { ok: number; of: number; ailing: number; what: string; class: string }) {
  if (props.of === 0) return <span class={`muted ${props.class}`}>no {props.what}</span>;
  return (
    <span class={props.class}>
      {props.ok}/{props.of} <span class="muted">{props.class === "streams" ? "run" : "fine"}</span>
      {props.ailing > 0 && <span class="bad"> · {props.ailing} ailing</span>}
    </span>
  );
}
