/** Charts as SVG text, drawn without a browser. Text and lines take their colors from the page, for light and dark mode. */
import { init, use } from 'echarts/core';
import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, LegendComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { EChartsCoreOption } from 'echarts/core';
import { Html } from './html.ts';

use([LineChart, BarChart, ScatterChart, CustomChart, GridComponent, LegendComponent, SVGRenderer]);

/** Size in pixels. The page scales the charts to its columns. */
const [WIDTH, HEIGHT] = [440, 250];

/** Colors that are readable on white and on near-black. */
const COLORS = ['#4a8fdc', '#e8833a', '#3fa372', '#c05fb0', '#b59a2b', '#8677e0', '#d9566b', '#5fb3c8'];

/** Placeholders that are replaced with colors of the page, because ECharts accepts only colors that it can parse. */
const [TEXT, LINE] = ['#010203', '#030201'];

/** An axis. Without `min` and `max` the range follows from the data. */
export interface Axis {
  name: string;
  min?: number;
  max?: number;
  /** Whether only whole numbers are marked. */
  whole?: boolean;
}

/** A line over rounds or steps; `intervals` are drawn as bars around its points. */
export interface Line {
  name: string;
  points: [x: number | string, y: number][];
  intervals?: { x: number | string; low: number; high: number }[];
}

/** A chart. */
export interface Drawing {
  /** Text for screen readers. */
  title: string;
  x: Axis & { categories?: string[] };
  y: Axis;
  series: object[];
  legend: boolean;
}

/** A line chart, with a mark at each point if there are few points. */
export const lineChart = (title: string, x: Drawing['x'], y: Axis, lines: Line[]): Html =>
  draw({
    title,
    x,
    y,
    legend: lines.length > 1,
    series: lines.flatMap(({ name, points, intervals = [] }, i) => [
      {
        type: 'line',
        name,
        data: points,
        showSymbol: points.length <= 30,
        symbol: 'circle',
        symbolSize: 7,
        lineStyle: { width: points.length > 100 ? 1 : 2 },
        color: COLORS[i % COLORS.length],
      },
      ...(intervals.length > 0 ? [whiskers(intervals, COLORS[i % COLORS.length])] : []),
    ]),
  });

/** A chart with grouped bars, one color per series. */
export const barChart = (title: string, x: Drawing['x'], y: Axis, bars: { name: string; values: number[] }[]): Html =>
  draw({
    title,
    x,
    y,
    legend: bars.length > 1,
    series: bars.map(({ name, values }) => ({ type: 'bar', name, data: values, barGap: '5%' })),
  });

/** A chart with labeled points, connected in order. */
export const pathChart = (title: string, x: Axis, y: Axis, points: { name: string; at: [number, number] }[]): Html =>
  draw({
    title,
    x,
    y,
    legend: false,
    series: [
      {
        type: 'line',
        // Labels alternate between above and below, because neighboring points are often close.
        data: points.map(({ name, at }, i) => ({
          value: at,
          name,
          label: { position: i === 0 ? 'right' : i % 2 === 0 ? 'bottom' : 'top' },
        })),
        symbol: 'circle',
        symbolSize: 8,
        label: { show: true, formatter: '{b}', color: TEXT, fontSize: 11 },
      },
    ],
  });

function whiskers(intervals: NonNullable<Line['intervals']>, color: string): object {
  const style = { stroke: color, fill: 'none', lineWidth: 1.5 };
  return {
    type: 'custom',
    data: intervals.map(({ x, low, high }) => [x, low, high]),
    encode: { x: 0, y: [1, 2] },
    renderItem(_: unknown, { value, coord }: { value: (i: number) => number; coord: (at: number[]) => number[] }) {
      const [[x, bottom], [, top]] = [coord([value(0), value(1)]), coord([value(0), value(2)])];
      // An error bar.
      const ends = [
        [x, bottom, x, top],
        [x - 4, bottom, x + 4, bottom],
        [x - 4, top, x + 4, top],
      ];
      return {
        type: 'group',
        children: ends.map(([x1, y1, x2, y2]) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style })),
      };
    },
  };
}

function draw({ title, x, y, series, legend }: Drawing): Html {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  const axis = (name: string) => ({
    name,
    nameLocation: 'middle',
    nameTextStyle: { color: TEXT, fontSize: 11 },
    axisLabel: { color: TEXT, fontSize: 11, hideOverlap: true },
    axisLine: { lineStyle: { color: LINE } },
    axisTick: { lineStyle: { color: LINE } },
    splitLine: { lineStyle: { color: LINE } },
  });
  const { categories } = x;
  const option: EChartsCoreOption = {
    animation: false,
    color: COLORS,
    textStyle: { color: TEXT, fontFamily: 'system-ui, sans-serif' },
    grid: { left: 56, right: 16, top: legend ? 34 : 16, bottom: 42 },
    ...(legend && {
      legend: {
        top: 0,
        itemGap: 16,
        type: 'plain',
        textStyle: { color: TEXT, fontSize: 11 },
        itemWidth: 14,
        itemHeight: 9,
      },
    }),
    xAxis: {
      ...axis(x.name),
      nameGap: 26,
      type: categories ? 'category' : 'value',
      data: categories,
      min: x.min,
      max: x.max,
      ...(x.whole && { minInterval: 1 }),
      ...(!categories && { splitLine: { show: false } }),
    },
    yAxis: { ...axis(y.name), nameGap: 40, type: 'value', scale: y.min === undefined, min: y.min, max: y.max },
    series: series.map((one) => ({ silent: true, ...one })),
  };
  chart.setOption(option);
  const svg = withoutStyles(chart.renderToSVGString()).replaceAll(TEXT, 'currentColor').replaceAll(LINE, 'var(--line)');
  chart.dispose();
  return new Html(svg.replace('<svg ', `<svg role="img" aria-label="${title.replaceAll('"', '')}" `));
}

/** Styles as SVG attributes, so that the page's Content-Security-Policy can forbid inline styles. Hover styles are dropped. */
const withoutStyles = (svg: string): string =>
  svg.replace(/<style >[^]*?<\/style>\s*/, '').replaceAll(/ style="([^"]*)"/g, (_, style: string) =>
    style
      .split(';')
      .filter(Boolean)
      .map((one) => ` ${one.replace(/^([\w-]+):(.*)$/, '$1="$2"')}`)
      .join(''),
  );
