/** Shapes on a canvas, in colours that stay the same for an id or label; twin of algos/drawing.py. */

import { type Shapes, type Stroke, type Tag, textOf, type Vertex } from "./geometry";

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

interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly below: number;
  readonly color: string;
  readonly score: number;
}

/** Paint all shapes: first what covers much, then what covers little, labels last. Facts are not painted. */
export function paint(context: CanvasRenderingContext2D, shapes: Shapes, view: View): void {
  const [sx, sy] = scaleOf(shapes, view);
  const labels: Label[] = [];
  const label = (tag: Tag, x: number, y: number, below = y) => {
    const text = textOf(tag);
    if (text !== "") labels.push({ text, x, y, below, color: colorOf(tag), score: tag.score ?? 0 });
  };
  context.lineJoin = "round";
  for (const polygon of shapes.polygons) {
    trace(context, polygon, sx, sy, true);
    context.globalAlpha = 0.18;
    context.fillStyle = colorOf(polygon.tag);
    context.fill();
    context.globalAlpha = 1;
    stroke(context, polygon.tag);
    const [x, y] = polygon.vertices[0] as Vertex;
    label(polygon.tag, x * sx, y * sy);
  }
  for (const line of shapes.lines) {
    trace(context, line, sx, sy, false);
    stroke(context, line.tag);
    const [x, y] = line.vertices.at(-1) as Vertex; // the end of a track is where its object is
    label(line.tag, x * sx, y * sy);
  }
  for (const box of shapes.boxes) {
    context.beginPath();
    context.rect(box.x1 * sx, box.y1 * sy, (box.x2 - box.x1) * sx, (box.y2 - box.y1) * sy);
    stroke(context, box.tag);
    label(box.tag, box.x1 * sx, box.y1 * sy, box.y2 * sy);
  }
  const strokes = [...shapes.boxes, ...shapes.polygons, ...shapes.lines];
  const said = new Set(strokes.map(({ tag }) => tag.label));
  const named = shapes.points.length <= MOST_POINT_LABELS;
  for (const point of shapes.points) {
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
  labels.sort((a, b) => b.score - a.score);
  for (const one of labels.slice(0, MOST_LABELS)) plate(context, one, view);
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

/** A text on a plate above its shape, else below its upper edge; always within the picture. */
function plate(context: CanvasRenderingContext2D, { text, x, y, below, color }: Label, view: View): void {
  context.font = `600 ${FONT_PX}px system-ui, sans-serif`;
  const width = Math.ceil(context.measureText(text).width) + 8;
  const height = FONT_PX + 6;
  const above = y - height - 1;
  const top = above >= 0 ? above : below + height < view.height && below > y ? below + 1 : Math.max(0, y + 1);
  const at = placed(x - 1, top, width, height, view);
  context.fillStyle = color;
  context.fillRect(at.x, at.y, width, height);
  context.fillStyle = RIM;
  context.textBaseline = "middle";
  context.fillText(text, at.x + 4, at.y + height / 2 + 0.5);
}

/** Moved into the picture, as far as it fits. */
export function placed(
  x: number,
  y: number,
  width: number,
  height: number,
  view: View,
): { x: number; y: number } {
  return {
    x: Math.max(0, Math.min(x, view.width - width)),
    y: Math.max(0, Math.min(y, view.height - height)),
  };
}

/** What is said of the smallest shape under the pointer; null where there is none. */
export function shapeAt(shapes: Shapes, view: View, x: number, y: number): string | null {
  const [sx, sy] = scaleOf(shapes, view);
  for (const point of shapes.points) {
    if (Math.hypot(point.x * sx - x, point.y * sy - y) <= NEAR_PX) return textOf(point.tag) || "point";
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
