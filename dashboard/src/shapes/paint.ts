/** Shapes on a canvas, in colours that stay the same for an id or label; twin of algos/drawing.py. */

import { type Box, type Shapes, type Stroke, type Tag, textOf, type Vertex } from "./geometry";

/** The picture on the page, CSS pixels; `saw`: the picture that pixels of a result are counted in. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly saw?: { readonly width: number; readonly height: number };
}

const PALETTE = [
  "#81c784",
  "#4fc3f7",
  "#ffb74d",
  "#f06292",
  "#ba68c8",
  "#4db6ac",
  "#ff8a65",
  "#dce775",
  "#7986cb",
  "#ffd54f",
];
const RIM = "#1a1c20"; // a dark edge, for bright pictures
const FONT_PX = 12;
const MOST_LABELS = 100;
const MOST_POINT_LABELS = 24;
const MOST_FILLED = 64; // polygons
const NEAR_PX = 7; // of a point or line, for the pointer

/** What x and y are to be multiplied with. */
export function scaleOf(shapes: Shapes, view: View): Vertex {
  if (shapes.units === "shares") return [view.width, view.height];
  const [width, height] = shapes.size ?? [view.saw?.width ?? view.width, view.saw?.height ?? view.height];
  return [view.width / width, view.height / height];
}

/** The same for the same id, and for the same label without ids. */
export function colorOf(tag: Tag): string {
  const key = tag.id || tag.label;
  return PALETTE[key === "" ? 0 : crc32(key) % PALETTE.length] as string;
}

/** The checksum of ISO 3309 (zlib's), of a text in UTF-8. */
export function crc32(text: string): number {
  let sum = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

/** Where the label of a shape goes: its left edge, its upper and its lower one. */
export interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly below: number;
}

interface Label extends Anchor {
  readonly tag: Tag;
}

/** Paint all shapes: first what covers much, then what covers little, labels last. Facts are not painted. */
export function paint(context: CanvasRenderingContext2D, shapes: Shapes, view: View): void {
  const scale = scaleOf(shapes, view);
  const [sx, sy] = scale;
  const labels: Label[] = [];
  const label = (tag: Tag, x: number, y: number, below = y) => labels.push({ tag, x, y, below });
  context.lineJoin = "round";
  for (const [place, polygon] of shapes.polygons.entries()) {
    if (!visible(polygon.vertices, scale, view)) continue;
    trace(context, polygon, sx, sy, true);
    if (place < MOST_FILLED) {
      context.globalAlpha = 0.18;
      context.fillStyle = colorOf(polygon.tag);
      context.fill();
      context.globalAlpha = 1;
    }
    stroke(context, polygon.tag);
    const [x, y] = polygon.vertices[0] as Vertex;
    label(polygon.tag, x * sx, y * sy);
  }
  for (const line of shapes.lines) {
    if (!visible(line.vertices, scale, view)) continue;
    trace(context, line, sx, sy, false);
    stroke(context, line.tag);
    const [x, y] = line.vertices.at(-1) as Vertex; // the end of a track is where its object is
    label(line.tag, x * sx, y * sy);
  }
  for (const box of shapes.boxes) {
    if (!visible(endsOf(box), scale, view)) continue;
    context.beginPath();
    context.rect(box.x1 * sx, box.y1 * sy, (box.x2 - box.x1) * sx, (box.y2 - box.y1) * sy);
    stroke(context, box.tag);
    label(box.tag, box.x1 * sx, box.y1 * sy, box.y2 * sy);
  }
  const strokes = [...shapes.boxes, ...shapes.polygons, ...shapes.lines];
  const said = new Set(strokes.map(({ tag }) => tag.label));
  const named = shapes.points.length <= MOST_POINT_LABELS;
  for (const point of shapes.points) {
    if (!visible([[point.x, point.y]], scale, view)) continue;
    context.beginPath();
    context.arc(point.x * sx, point.y * sy, 3.5, 0, 2 * Math.PI);
    context.fillStyle = colorOf(point.tag);
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = RIM;
    context.stroke();
    if (named && !said.has(point.tag.label)) label(point.tag, point.x * sx, point.y * sy - 4);
  }
  // The surest come first: where there is not room for all, theirs are the ones to read.
  labels.sort((a, b) => (b.tag.score ?? 0) - (a.tag.score ?? 0));
  context.font = `600 ${FONT_PX}px system-ui, sans-serif`;
  for (const one of labels.filter(({ tag }) => textOf(tag) !== "").slice(0, MOST_LABELS))
    plate(context, one, view);
}

function endsOf(box: Box): readonly Vertex[] {
  return [
    [box.x1, box.y1],
    [box.x2, box.y2],
  ];
}

/** Whether any of what lies between these vertices is in the picture. */
export function visible(vertices: readonly Vertex[], [sx, sy]: Vertex, view: View): boolean {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of vertices) {
    [left, right] = [Math.min(left, x * sx), Math.max(right, x * sx)];
    [top, bottom] = [Math.min(top, y * sy), Math.max(bottom, y * sy)];
  }
  return left < view.width && top < view.height && right >= 0 && bottom >= 0;
}

function trace(
  context: CanvasRenderingContext2D,
  one: Stroke,
  sx: number,
  sy: number,
  closed: boolean,
): void {
  context.beginPath();
  for (const [x, y] of one.vertices) context.lineTo(x * sx, y * sy);
  if (closed) context.closePath();
}

function stroke(context: CanvasRenderingContext2D, tag: Tag): void {
  context.lineWidth = 4;
  context.strokeStyle = RIM;
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = colorOf(tag);
  context.stroke();
}

/** A label on a plate: dark letters on the shape's own colour, all of which are light. */
function plate(context: CanvasRenderingContext2D, { tag, ...anchor }: Label, view: View): void {
  const widthOf = (text: string) => Math.ceil(context.measureText(text).width) + 8;
  const text = fitting(tag, widthOf, view.width);
  if (text === null) return;
  const { x, y, width, height } = plateAt(anchor, widthOf(text), view);
  context.fillStyle = colorOf(tag);
  context.fillRect(x, y, width, height);
  context.fillStyle = RIM;
  context.textBaseline = "middle";
  context.fillText(text, x + 4, y + height / 2 + 0.5);
}

/** As much of what is said of a shape as `room` has space for; null where that is nothing. */
export function fitting(tag: Tag, widthOf: (text: string) => number, room: number): string | null {
  const short = tag.label || (tag.id === "" ? "" : `#${tag.id}`);
  const texts = [textOf(tag), short, `${Array.from(short).slice(0, 7).join("")}…`];
  return texts.find((text) => text !== "" && text !== "…" && widthOf(text) <= room) ?? null;
}

/** A plate above its shape, else below it, else within its upper edge; never beyond the picture. */
export function plateAt(
  { x, y, below }: Anchor,
  width: number,
  view: View,
): { x: number; y: number; width: number; height: number } {
  const height = FONT_PX + 6;
  const above = y - height - 1;
  const under = below > y && below + height < view.height;
  const top = above >= 0 ? above : under ? below + 1 : y + 1;
  const within = (at: number, most: number) => Math.max(0, Math.min(at, most));
  return { x: within(x - 1, view.width - width), y: within(top, view.height - height), width, height };
}

/** What is said of the shape under the pointer: a point, a line, the smallest box, a polygon; null where none is. */
export function shapeAt(shapes: Shapes, view: View, x: number, y: number): string | null {
  const [sx, sy] = scaleOf(shapes, view);
  for (const point of shapes.points) {
    if (Math.hypot(point.x * sx - x, point.y * sy - y) <= NEAR_PX) return textOf(point.tag) || "point";
  }
  for (const line of shapes.lines) {
    if (nearest(line.vertices, [sx, sy], x, y) <= NEAR_PX) return textOf(line.tag) || "line";
  }
  const boxes = shapes.boxes
    .filter((box) => box.x1 * sx <= x && x <= box.x2 * sx && box.y1 * sy <= y && y <= box.y2 * sy)
    .sort((a, b) => (a.x2 - a.x1) * (a.y2 - a.y1) - (b.x2 - b.x1) * (b.y2 - b.y1));
  if (boxes[0] !== undefined) return textOf(boxes[0].tag) || "box";
  for (const polygon of shapes.polygons) {
    if (inside(polygon.vertices, x / sx, y / sy)) return textOf(polygon.tag) || "polygon";
  }
  return null;
}

/** How far a line is from a place, pixels. */
function nearest(vertices: readonly Vertex[], [sx, sy]: Vertex, x: number, y: number): number {
  return vertices.slice(1).reduce((least, [endX, endY], place) => {
    const [fromX, fromY] = vertices[place] as Vertex;
    const [ax, ay, dx, dy] = [fromX * sx, fromY * sy, (endX - fromX) * sx, (endY - fromY) * sy];
    const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy) || 0; // 0 of a line without length
    const share = Math.max(0, Math.min(1, along));
    return Math.min(least, Math.hypot(ax + share * dx - x, ay + share * dy - y));
  }, Infinity);
}

/** Whether a point lies in a polygon: crossings of a ray (Shimrat, Algorithm 112, 1962). */
export function inside(vertices: readonly Vertex[], x: number, y: number): boolean {
  let odd = false;
  let [px, py] = vertices.at(-1) ?? [0, 0];
  for (const [qx, qy] of vertices) {
    if (qy > y !== py > y && x < ((px - qx) * (y - qy)) / (py - qy) + qx) odd = !odd;
    [px, py] = [qx, qy];
  }
  return odd;
}

/** How much there is, in words; empty where there is nothing. */
export function sumOf(shapes: Shapes): string {
  const said = (count: number, one: string, many: string) =>
    count === 0 ? "" : `${count} ${count === 1 ? one : many}`;
  return [
    said(shapes.boxes.length, "box", "boxes"),
    said(shapes.points.length, "point", "points"),
    said(shapes.polygons.length, "polygon", "polygons"),
    said(shapes.lines.length, "line", "lines"),
  ]
    .filter(Boolean)
    .join(", ");
}
