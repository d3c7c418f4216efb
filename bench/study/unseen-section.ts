/** The part of the page about what training does not aim at. */
import type { BenchmarkRow } from '../../evaluation/benchmarks/result.ts';
import { mean } from '../../data/numbers.ts';
import { markdownTable } from '../markdown.ts';
import type { StudyResults, Unseen } from './results.ts';
import { estimateOf, less, type Estimate } from './statistics.ts';
import { cell, difference, isClear, percent, signed } from './tables.ts';
import { QUESTIONS, type UnseenPart } from './unseen.ts';

/** The figures of lm-evaluation-harness that are shown. */
const TASKS = [
  { task: 'gsm8k', metric: 'exact_match,strict-match' },
  { task: 'truthfulqa_mc2', metric: 'acc' },
];

/** The sections of what was measured. */
export const unseenSections = (results: StudyResults): string => ifbenchSection(results) + lmEvalSection(results);

/** Which methods win by IFBench, too, in sentences. Empty if it has measured none. */
export function ifbenchVerdict(results: StudyResults): string {
  const { methods = [] } = ifbenchOf(results) ?? {};
  const named = (what: string, isSuch: (gain: Estimate) => boolean) => {
    const names = methods.filter(({ gain }) => isSuch(gain)).map(({ name }) => name);
    return names.length > 0 ? [`By IFBench, ${what} the start policy: ${names.join(', ')}.`] : [];
  };
  return [
    ...named('significantly better than', (gain) => isClear(gain) && gain.mean > 0),
    ...named('significantly worse than', (gain) => isClear(gain) && gain.mean < 0),
    ...named('not significantly different from', (gain) => !isClear(gain)),
  ].join(' ');
}

/** The passes of the start policy and of each method's last policies, with the gain. Undefined if nothing was measured. */
function ifbenchOf(results: StudyResults) {
  const found = foundOf(results, 'ifbench');
  if (!found) return undefined;
  const start = passesOf(found.start);
  const methods = found.methods.map(({ name, lasts }) => {
    const passes = lasts.map(passesOf);
    return { name, passes, gain: estimateOf(passes.map((last) => less(last, start))) };
  });
  return { start, methods };
}

function ifbenchSection(results: StudyResults): string {
  const found = ifbenchOf(results);
  if (!found) return '';
  const { start, methods } = found;
  return `### IFBench

[IFBench](https://arxiv.org/abs/2507.02833) has ${start.length} prompts with instructions of other kinds than IFEval's, which training never sees. Its
authors' program checks the greedy responses (loose accuracy, as they report it). ${ifbenchVerdict(results)}

${markdownTable(
  ['', 'runs', 'IFBench, %', 'less start, points'],
  [
    ['start', '', cell(estimateOf([start]), percent), ''],
    ...methods.map(({ name, passes, gain }) => [
      name,
      passes.length,
      cell(estimateOf(passes), percent),
      difference(gain, percent),
    ]),
  ],
)}

`;
}

function lmEvalSection(results: StudyResults): string {
  const found = foundOf(results, 'lmEval');
  if (!found) return '';
  const start = TASKS.map((task) => shareOf([found.start], task));
  return `### Other abilities

gsm8k and truthfulqa_mc2 of lm-evaluation-harness, through selm's server: the first ${QUESTIONS} questions of each, ± one standard error
over questions.

${markdownTable(
  ['', 'runs', ...TASKS.flatMap(({ task }) => [`${task}, %`, 'less start, points'])],
  [
    ['start', '', ...start.flatMap(({ value, error }) => [`${percent(value)} ± ${percent(error)}`, ''])],
    ...found.methods.map(({ name, lasts }) => [
      name,
      lasts.length,
      ...TASKS.flatMap((task, i) => {
        const { value, error } = shareOf(lasts, task);
        const change = signed(value - start[i].value, percent);
        return [`${percent(value)} ± ${percent(error)}`, `${change} ± ${percent(Math.hypot(error, start[i].error))}`];
      }),
    ]),
  ],
)}

`;
}

/** What a part has found of the start policy, and of the last policies of each method. Undefined if no run has it. */
function foundOf<Part extends UnseenPart>({ runs, methods }: StudyResults, part: Part) {
  type Found = NonNullable<Unseen[Part]>;
  const all = runs.flatMap(({ method, unseen }) =>
    unseen?.last[part] === undefined ? [] : [{ method, start: unseen.start[part]!, last: unseen.last[part] }],
  );
  if (all.length === 0) return undefined;
  const by = methods.map((name) => ({
    name,
    lasts: all.filter(({ method }) => method === name).map(({ last }): Found => last!),
  }));
  return { start: all[0].start as Found, methods: by.filter(({ lasts }) => lasts.length > 0) };
}

const passesOf = (ifbench: string) => Array.from(ifbench, Number);

/** A task's mean share. Its error is not divided by the number of policies: they answer the same questions. */
function shareOf(policies: BenchmarkRow[][], { task, metric }: (typeof TASKS)[number]) {
  const rows = policies.flatMap((of) => of.filter((row) => row.task === task && row.metric === metric));
  return { value: mean(rows.map(({ value }) => value)), error: mean(rows.map(({ error }) => error!)) };
}
