/**
 * Draws runs' held-out results, a line a run: `tsx docs/draw-rounds.ts OUT.svg STATUS.json…`, each file the JSON that
 * `selm run --json` ends with. docs/quickstart.svg is the quickstart with seeds 0, 1 and 2.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { init, use } from 'echarts/core';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { RunStatus } from '../workflows/status.ts';

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const [out, ...files] = process.argv.slice(2);
const runs = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as RunStatus);
const rounds = ['start', ...runs[0].results.map(({ round }) => `round ${round}`)];

const panels = [
  { title: 'Strict pass rate (%)', of: passRates, left: 50 },
  { title: 'Win rate over the start (%)', of: winRates, left: 420 },
];

function passRates({ start, results }: RunStatus): number[] {
  return [start!, ...results.map(({ evaluation }) => evaluation)].map(({ strictPassRate }) => 100 * strictPassRate!);
}

function winRates({ results }: RunStatus): number[] {
  return [50, ...results.map(({ evaluation }) => 100 * evaluation.against!.winRate)];
}

const chart = init(null, null, { renderer: 'svg', ssr: true, width: 760, height: 300 });
chart.setOption({
  animation: false,
  backgroundColor: '#fff',
  title: panels.map(({ title, left }) => ({ text: title, left, top: 8, textStyle: { fontSize: 14 } })),
  legend: { bottom: 4 },
  grid: panels.map(({ left }) => ({ left, top: 45, width: 300, height: 185 })),
  xAxis: panels.map((_, i) => ({ gridIndex: i, type: 'category', data: rounds, boundaryGap: false })),
  yAxis: panels.map((_, i) => ({ gridIndex: i, type: 'value', min: 0, max: 100 })),
  series: panels.flatMap(({ of }, i) =>
    runs.map((run, j) => ({
      type: 'line',
      name: run.name,
      xAxisIndex: i,
      yAxisIndex: i,
      data: of(run),
      lineStyle: { type: (['solid', 'dashed', 'dotted'] as const)[j % 3] },
    })),
  ),
});
writeFileSync(out, chart.renderToSVGString());
chart.dispose();
