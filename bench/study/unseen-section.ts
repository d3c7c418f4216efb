/** The part of the page about what training does not aim at. */
import { mean } from '../../evaluation/statistics.ts';
import type { StudyResults, StudyRun, Unseen } from './results.ts';
import { estimateOf, less, type Estimate } from './statistics.ts';
import { cell, difference, isClear, percent, signed } from './tables.ts';
import { QUESTIONS } from './unseen.ts';

/** The figures of lm-evaluation-harness that are shown. */
const TASKS = [
  { task: 'gsm8k', metric: 'exact_match,strict-match' },
  { task: 'truthfulqa_mc2', metric: 'acc' },
];

/** A run with these measures. */
type Measured = StudyRun & { unseen: NonNullable<StudyRun['unseen']> };

/** A share with its standard error over questions. */
interface Share {
  value: number;
  error: number;
}

/** The section, or nothing if no run has these measures. */
export function unseenSection({ runs, methods }: StudyResults): string {
  const measured = runs.filter((run): run is Measured => run.unseen !== undefined);
  if (measured.length === 0) return '';
  const [
    {
      unseen: { start },
    },
  ] = measured;
  const names = methods.filter((name) => measured.some(({ method }) => method === name));
  const rows = names.map((name) => {
    const of = measured.filter(({ method }) => method === name);
    const lasts = of.map(({ unseen }) => unseen.last);
    const gain = ifbenchGain(of);
    return { name, count: of.length, gain, cells: cellsOf(lasts, start, gain) };
  });
  const titles = ['', 'runs', 'IFBench, %', 'less start, points'];
  for (const { task } of TASKS) titles.push(`${task}, %`, 'less start, points');
  return `### What training does not aim at

[IFBench](https://arxiv.org/abs/2507.02833): ${start.ifbench.length} prompts with instructions of other kinds than IFEval's, checked by its authors'
program (loose accuracy, as they report it). gsm8k and truthfulqa_mc2: lm-evaluation-harness through selm's server, the first ${QUESTIONS}
questions of each, ± one standard error over questions. ${verdictOf(rows)}

${line(titles)}
${line(titles.map((_, i) => (i === 0 ? '---' : '---:')))}
${line(['start', '', ...cellsOf([start], start, undefined)])}
${rows.map(({ name, count, cells }) => line([name, String(count), ...cells])).join('\n')}

`;
}

const line = (cells: string[]) => `| ${cells.join(' | ')} |`;

const passesOf = ({ ifbench }: Unseen) => Array.from(ifbench, Number);

const ifbenchGain = (runs: Measured[]): Estimate =>
  estimateOf(runs.map(({ unseen: { start, last } }) => less(passesOf(last), passesOf(start))));

function cellsOf(policies: Unseen[], start: Unseen, gain: Estimate | undefined): string[] {
  const tasks = TASKS.flatMap((task) => {
    const [own, before] = [shareOf(policies, task), shareOf([start], task)];
    const change = { value: own.value - before.value, error: Math.hypot(own.error, before.error) };
    return [shown(own), gain ? shownChange(change) : ''];
  });
  return [cell(estimateOf(policies.map(passesOf)), percent), difference(gain, percent), ...tasks];
}

/** A task's mean share. Its error is not divided by the number of policies: they answer the same questions. */
function shareOf(policies: Unseen[], { task, metric }: (typeof TASKS)[number]): Share {
  const rows = policies.flatMap(({ lmEval }) => lmEval.filter((row) => row.task === task && row.metric === metric));
  return { value: mean(rows.map(({ value }) => value)), error: mean(rows.map(({ error }) => error!)) };
}

const shown = ({ value, error }: Share) => `${percent(value)} ± ${percent(error)}`;
const shownChange = ({ value, error }: Share) => `${signed(value, percent)} ± ${percent(error)}`;

/** Whether the methods win by IFBench, too. */
function verdictOf(rows: { name: string; gain: Estimate }[]): string {
  const said = rows.map(({ name, gain }) => {
    if (!isClear(gain)) return `${name} does not differ significantly from the start policy`;
    return `${name} is significantly ${gain.mean > 0 ? 'better' : 'worse'} than the start policy`;
  });
  return `By IFBench, ${said.join(', and ')}.`;
}
