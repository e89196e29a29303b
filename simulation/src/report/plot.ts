/** A picture of a run: lines over one axis. */
export interface Plot {
  readonly title: string;
  /** With its unit. */
  readonly x: string;
  /** With its unit. */
  readonly y: string;
  /** The least range the y axis shows; the data widens it. */
  readonly yRange?: readonly [number, number];
  readonly series: readonly Series[];
  /** Moments worth a line across, such as when an attack began. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
}

/** One line of a plot; its points in the order of x. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const width = 760;
const height = 420;
const margin = { left: 72, right: 24, top: 84, bottom: 56 };
const noteColumns = 105;
const pointsMax = 2_000;
// Okabe and Ito's colours, which most kinds of colour blindness tell apart.
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

/** Draws a plot as an SVG document; `note` stands under the title: what was run, with which seed. */
export function drawPlot(plot: Plot, note: string): string {
  const drawn = plot.series.filter((series) => series.points.length > 0);
  const points = drawn.flatMap((series) => series.points);
  const [xFrom, xUntil] = rangeOf(points.map(([x]) => x));
  const [yFrom, yUntil] = rangeOf([...points.map(([, y]) => y), ...(plot.yRange ?? [])]);
  const xAxis = ticksOf(xFrom, xUntil);
  const yAxis = ticksOf(yFrom, yUntil);
  const place = {
    x: (value: number) => scale(value, xAxis, margin.left, width - margin.right),
    y: (value: number) => scale(value, yAxis, height - margin.bottom, margin.top),
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 22, plot.title, 'font-size="15" font-weight="600"'),
    text(margin.left, 40, firstOf(note), 'fill="#555555" font-size="11"'),
    text(
      margin.left,
      54,
      note.slice(firstOf(note).length).trim().slice(0, noteColumns),
      'fill="#555555" font-size="11"',
    ),
    ...yAxis.map((value) => {
      const y = place.y(value).toFixed(1);
      const line = `<line x1="${margin.left}" x2="${width - margin.right}" y1="${y}" y2="${y}" stroke="#dddddd"/>`;
      return line + text(margin.left - 8, Number(y) + 4, label(value), 'text-anchor="end"');
    }),
    ...xAxis.map((value) => {
      const x = place.x(value);
      const bottom = height - margin.bottom;
      const tick = `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${bottom}" y2="${bottom + 5}" stroke="#555555"/>`;
      return tick + text(x, bottom + 19, label(value), 'text-anchor="middle"');
    }),
    text((margin.left + width - margin.right) / 2, height - 14, plot.x, 'text-anchor="middle"'),
    `<g transform="translate(18 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)">${text(0, 0, plot.y, 'text-anchor="middle"')}</g>`,
    ...drawn.map((series, index) => line(series, place, colours[index % colours.length] as string)), // a remainder
    ...(plot.marks ?? []).map(({ x, label: name }) => mark(place.x(x), name)),
    ...legend(drawn),
    '</svg>',
    '',
  ].join('\n');
}

interface Placing {
  x(value: number): number;
  y(value: number): number;
}

function line(series: Series, place: Placing, colour: string): string {
  const step = Math.max(1, Math.ceil(series.points.length / pointsMax));
  const kept = series.points.filter((_, index) => index % step === 0);
  const path = kept.map(([x, y]) => `${place.x(x).toFixed(1)},${place.y(y).toFixed(1)}`).join(' ');
  const marks =
    kept.length > 40
      ? ''
      : kept
          .map(
            ([x, y]) =>
              `<circle cx="${place.x(x).toFixed(1)}" cy="${place.y(y).toFixed(1)}" r="2.5" fill="${colour}"/>`,
          )
          .join('');
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>${marks}`;
}

function mark(x: number, name: string): string {
  const [top, bottom] = [margin.top, height - margin.bottom];
  const line = `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${top}" y2="${bottom}" stroke="#777777" stroke-dasharray="4 3"/>`;
  return line + text(x + 5, bottom - 8, name, 'fill="#555555" font-size="11"');
}

/** As many whole words of a note as one line takes. */
function firstOf(note: string): string {
  if (note.length <= noteColumns) return note;
  const end = note.lastIndexOf(' ', noteColumns);
  return note.slice(0, end > 0 ? end : noteColumns);
}

function legend(series: readonly Series[]): string[] {
  if (series.length < 2) return [];
  let x = margin.left;
  return series.map(({ name }, index) => {
    const at = x;
    x += 34 + name.length * 6.4;
    const swatch = `<rect x="${at}" y="67" width="14" height="3" fill="${colours[index % colours.length]}"/>`;
    return swatch + text(at + 18, 73, name, 'font-size="11"');
  });
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`;
}

/** The least and greatest of the finite values; a range of some width even for one value. */
function rangeOf(values: readonly number[]): readonly [number, number] {
  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    from = Math.min(from, value);
    until = Math.max(until, value);
  }
  if (from > until) return [0, 1];
  return from === until
    ? [from - Math.max(1, Math.abs(from)) / 2, until + Math.max(1, Math.abs(until)) / 2]
    : [from, until];
}

/** Round values that cover the range: steps of 1, 2 or 5 times a power of ten. */
function ticksOf(from: number, until: number): number[] {
  const raw = (until - from) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10) * power;
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(until / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

function scale(value: number, axis: readonly number[], from: number, until: number): number {
  const [first, last] = [axis[0] ?? 0, axis.at(-1) ?? 1];
  return from + ((value - first) / (last - first)) * (until - from);
}

function label(value: number): string {
  return Math.abs(value) >= 10_000 ? value.toLocaleString('en-GB') : String(value);
}
