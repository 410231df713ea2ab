/** Any number of a result over time. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Pair } from "../state/pair";
import { pathName, type Series } from "../state/series";
import { theme } from "../state/theme";
import { Empty, Panel } from "../ui/parts";
import { number } from "../ui/words";

const SPANS = [60, 300, 1800, 7200] as const;
const DRAW_MS = 250;

export function ChartPanel(props: { pairs: Pair[] }) {
  const { pairs } = props;
  const choice = useSignal<string | null>(null);
  const spanS = useSignal<number>(300);
  const all = pairs.flatMap((pair) => [...pair.series].map(([path, series]) => ({ pair, path, series })));
  const name = (one: (typeof all)[number]) => `${one.pair.algorithm} · ${pathName(one.path)}`;
  const chosen =
    all.find((one) => name(one) === choice.value) ??
    all.find(({ path, series }) => telling(path, series)) ??
    all[0];
  return (
    <Panel
      title="Chart"
      actions={
        <>
          <select
            class="small"
            aria-label="Field"
            value={chosen === undefined ? "" : name(chosen)}
            disabled={all.length === 0}
            onChange={(event) => {
              choice.value = event.currentTarget.value;
            }}
          >
            {all.map((one) => (
              <option key={name(one)}>{name(one)}</option>
            ))}
          </select>
          <select
            class="small"
            aria-label="Time span"
            value={String(spanS.value)}
            onChange={(event) => {
              spanS.value = Number(event.currentTarget.value);
            }}
          >
            {SPANS.map((span) => (
              <option key={span} value={span}>
                {span < 100 ? `${span} s` : `${span / 60} min`}
              </option>
            ))}
          </select>
        </>
      }
    >
      {chosen === undefined ? (
        <div class="chart">
          <Empty title="No numbers yet">
            Each number and flag of a result can be charted from its first on.
          </Empty>
        </div>
      ) : (
        <Chart
          key={name(chosen)}
          series={chosen.series}
          points={chosen.series.times.length}
          spanS={spanS.value}
          name={name(chosen)}
        />
      )}
    </Panel>
  );
}

/** What is worth a first look: a number that an algorithm gave. */
function telling(path: string, series: Series): boolean {
  return path.startsWith("data.") && !path.endsWith(".length") && !series.binary;
}

/** `points`: how many the series has, which tells that it has grown. */
function Chart(props: { series: Series; points: number; spanS: number; name: string }) {
  const { series, points, spanS, name } = props;
  const ref = useRef<HTMLDivElement>(null);
  const dark = theme.value;
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const plot = new uPlot(options(element, series.binary), [[], []], element);
    let drawn = -1;
    const draw = () => {
      const newest = series.times.at(-1) ?? 0;
      if (newest === drawn) return;
      drawn = newest;
      const from = series.times.findIndex((time) => time >= newest - spanS);
      plot.setData([series.times.slice(from), series.values.slice(from)], false);
      plot.setScale("x", { min: newest - spanS, max: newest });
    };
    draw();
    const timer = setInterval(draw, DRAW_MS);
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => {
      clearInterval(timer);
      observer.disconnect();
      plot.destroy();
    };
  }, [series, spanS, dark]);
  const last = series.values.at(-1);
  return (
    <div
      class="chart"
      ref={ref}
      role="img"
      aria-label={`${name} over ${spanS} s, now ${number(last)}`}
      data-points={points}
    />
  );
}

function options(element: HTMLElement, binary: boolean): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  const line: uPlot.Series = {
    stroke: color("--accent"),
    width: 1.5,
    fill: `${color("--accent")}22`,
    points: { show: false },
    ...(binary && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
  };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    cursor: { y: false, points: { size: 6 } },
    legend: { show: false },
    scales: {
      x: { time: true, auto: false },
      y: binary ? { range: [-0.05, 1.1] } : { range: (_plot, min, max) => padded(min, max) },
    },
    axes: [
      {
        ...axis,
        values: (_plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB")),
        space: 70,
      },
      {
        ...axis,
        size: 58,
        ...(binary
          ? { splits: () => [0, 1], values: () => ["no", "yes"] }
          : { values: (_plot: uPlot, ticks: number[]) => ticks.map((tick) => number(tick)) }),
      },
    ],
    series: [{}, line],
  };
}

function padded(min: number | null, max: number | null): [number, number] {
  const low = min ?? 0;
  const high = max ?? 1;
  const room = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}
