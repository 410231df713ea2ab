/** The streams of a device, and the buttons that change them. */

import type { ComponentChildren } from "preact";
import type { StreamStatus } from "../client/contract";
import type { Device } from "../state/device";
import { linkTo } from "../state/route";
import { Empty, Panel, State } from "../ui/parts";
import { fullTime, number, percent, span } from "../ui/words";
import { Action, act, type ListProps } from "./steer";

export function Streams({ fleet, device, onTask, onRemove }: ListProps) {
  const streams = Object.values(device.streams).sort((a, b) =>
    a.id.localeCompare(b.id, "en", { numeric: true }),
  );
  const can = device.state === "online";
  const add = (
    <button type="button" disabled={!can} onClick={() => onTask({ verb: "stream.add" })}>
      Add stream
    </button>
  );
  return (
    <Panel title="Streams" actions={add}>
      {streams.length === 0 ? (
        <Empty title="No streams">
          <p>A stream is a camera, an RTSP address or a file.</p>
        </Empty>
      ) : (
        <div class="table">
          <table class="cards">
            <thead>
              <tr>
                <th>Stream</th>
                <th>State</th>
                <th class="num">Frames/s in</th>
                <th class="num">decoded</th>
                <th class="num">Skipped</th>
                <th class="num">Reopened</th>
                <th class="num">CPU</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {streams.map((stream) => (
                <StreamRow key={stream.id} stream={stream} device={device}>
                  {stream.state === "paused" ? (
                    <Action
                      can={can}
                      onClick={() => act(fleet, device.id, "stream.resume", { id: stream.id })}
                    >
                      Resume
                    </Action>
                  ) : (
                    <Action
                      can={can}
                      onClick={() => act(fleet, device.id, "stream.pause", { id: stream.id })}
                    >
                      Pause
                    </Action>
                  )}
                  <Action can={can} onClick={() => onTask({ verb: "stream.update", id: stream.id })}>
                    Change
                  </Action>
                  <Action can={can} danger onClick={() => onRemove({ verb: "stream.remove", id: stream.id })}>
                    Remove
                  </Action>
                </StreamRow>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function StreamRow(props: { stream: StreamStatus; device: Device; children: ComponentChildren }) {
  const { stream } = props;
  const { received = 0, skipped_busy = 0, skipped_stale = 0, corrupt = 0 } = stream.frames ?? {};
  const skipped = skipped_busy + skipped_stale;
  const how = [
    stream.width ? `${stream.width}×${stream.height}` : null,
    stream.codec,
    stream.backend,
    stream.hwaccel && stream.hwaccel !== "none" ? stream.hwaccel : null,
  ];
  const trouble = stream.error ?? stream.note;
  const retry = stream.retry_in_s ? `, again in ${span(stream.retry_in_s)}` : "";
  return (
    <>
      <tr class={trouble ? "has-more" : ""}>
        <td>
          <a href={linkTo(props.device.id, stream.id)}>
            <strong>{stream.id}</strong>
          </a>
          <span class="below mono wrap">{stream.source}</span>
        </td>
        <td data-name="State">
          <span>
            <State state={stream.state} title={`since ${fullTime(stream.since)}`} />
            <span class="below">{how.filter(Boolean).join(" · ") || stream.cause || ""}</span>
          </span>
        </td>
        <td class="num" data-name="Frames/s in">
          {number(stream.fps)}
        </td>
        <td class="num" data-name="Decoded/s">
          {number(stream.fps_decoded)}
        </td>
        <td class="num" data-name="Skipped" title={`of ${number(received)} frames`}>
          {number(skipped)}
          {skipped + corrupt > 0 && (
            <span class="below">
              {[
                skipped_busy > 0 ? `${number(skipped_busy)} busy` : null,
                skipped_stale > 0 ? `${number(skipped_stale)} stale` : null,
                corrupt > 0 ? `${number(corrupt)} damaged` : null,
              ]
                .filter(Boolean)
                .join(", ")}
            </span>
          )}
        </td>
        <td class="num" data-name="Reopened">
          {number(stream.reopened ?? 0)}
        </td>
        <td class="num" data-name="CPU (cores)">
          {percent(stream.cpu)}
        </td>
        <td class="actions">{props.children}</td>
      </tr>
      {trouble && (
        <tr class="more">
          <td colSpan={8}>
            <p class="note wrap" data-tone={stream.error ? "bad" : "warn"}>
              {stream.cause ? `${stream.cause}: ` : ""}
              {trouble}
              {retry}
            </p>
          </td>
        </tr>
      )}
    </>
  );
}
