/** Dot plots of estimates with intervals, as SVG files for a Markdown page with a light or a dark background. */
import type { Estimate } from './statistics.ts';

/** A row of a dot plot. */
interface Dot {
  name: string;
  estimate?: Estimate;
}

const [WIDTH, ROW, TOP, LEFT, RIGHT] = [560, 22, 34, 96, 20];
const [TEXT, MUTED, CLEAR] = ['#808080', '#80808066', '#e8833a'];
const FONT = 'font-family="sans-serif" font-size="12"';

/**
 * Draws a row for each estimate, and a line at 0. Intervals that exclude 0 are colored.
 * @param title for screen readers
 * @param axis names the axis
 * @param scale factor of the values
 */
export function dotPlot(title: string, axis: string, scale: number, rows: Dot[]): string {
  const bounds = rows.flatMap(({ estimate }) =>
    estimate ? [estimate.mean, estimate.interval?.low, estimate.interval?.high].flatMap((x) => x ?? []) : [],
  );
  const extent = Math.max(...bounds.map((x) => Math.abs(scale * x)), 1e-9);
  const step = niceStep(extent);
  const most = step * Math.ceil(extent / step);
  const x = (value: number) => round(LEFT + ((value + most) / (2 * most)) * (WIDTH - LEFT - RIGHT));
  const bottom = TOP + ROW * rows.length;
  const ticks = Array.from({ length: Math.round((2 * most) / step) + 1 }, (_, i) => i * step - most);
  const grid = ticks.map((tick) => {
    const color = Math.abs(tick) < step / 2 ? TEXT : MUTED;
    return (
      `<line x1="${x(tick)}" y1="${TOP}" x2="${x(tick)}" y2="${bottom}" stroke="${color}"/>` +
      `<text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${signed(tick, step)}</text>`
    );
  });
  const dots = rows.map(({ name, estimate }, i) => {
    const y = TOP + ROW * (i + 0.5);
    const label = `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${name}</text>`;
    if (!estimate) return label;
    const { mean, interval } = estimate;
    const color = interval && (interval.low > 0 || interval.high < 0) ? CLEAR : TEXT;
    const whisker = interval
      ? `<path d="M${x(scale * interval.low)} ${y}H${x(scale * interval.high)}" stroke="${color}" stroke-width="2"/>`
      : '';
    return `${label}${whisker}<circle cx="${x(scale * mean)}" cy="${y}" r="4" fill="${color}"/>`;
  });
  const height = bottom + 26;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${title}</title>`,
    `<g ${FONT} fill="${TEXT}">`,
    `<text x="${LEFT}" y="18">${axis}</text>`,
    ...grid,
    ...dots,
    '</g></svg>\n',
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten: at most five steps reach the extent. */
function niceStep(extent: number): number {
  const power = 10 ** Math.floor(Math.log10(extent / 5));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => extent / step <= 5) ?? 10 * power;
}

const round = (value: number) => Math.round(10 * value) / 10;

const signed = (tick: number, step: number) => {
  const text = tick.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return Number(text) > 0 ? `+${text}` : Number(text) === 0 ? '0' : text;
};
