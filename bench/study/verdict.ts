/** What the results say, in sentences. */
import { comparisonsOf, correctedDifference, measuresOf, othersOf, type Measure } from './measures.ts';
import { BASELINE, OPTIMISTIC } from './methods.ts';
import { gainOf, startOf, type StudyResults } from './results.ts';
import { difference, isClear, percent } from './tables.ts';
import { taskOf } from './tasks.ts';

const list = (names: string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** A measure's title without its unit. */
const nameOf = ({ title }: Measure) => title.replace(', %', '');

/** The methods whose corrected interval excludes 0, with the sign of their difference. */
function clearOf(results: StudyResults, measure: Measure): { name: string; sign: number }[] {
  return othersOf(results).flatMap((name) => {
    const estimated = correctedDifference(results, name, measure);
    return estimated && isClear(estimated) ? [{ name, sign: Math.sign(estimated.mean) }] : [];
  });
}

const signed = (clear: { name: string; sign: number }[], sign: number) =>
  clear.filter((one) => one.sign === sign).map(({ name }) => name);

/** How much better each method is than the start policy after the last round, as far as runs have come. */
export function gains(results: StudyResults): string {
  const { rounds } = results.settings;
  const gained = results.methods.flatMap((name) => {
    const gain = gainOf(results, name, rounds);
    return gain ? [`${name} ${difference(gain, percent)}`] : [];
  });
  const start = `the start policy's strict pass is ${percent(startOf(results)!.mean)} %`;
  return gained.length === 0 ? `${start}.` : `${start}; gain after round ${rounds}, in points: ${list(gained)}.`;
}

/** Whether a difference in this measure has an interval. */
const isTested = (results: StudyResults, measure: Measure) =>
  othersOf(results).some((name) => correctedDifference(results, name, measure)?.interval);

const hasComparisons = (results: StudyResults) => measuresOf(results).some((measure) => isTested(results, measure));

/** For each measure, which methods are significantly above and below the baseline, and how small a difference can be seen. */
export function taskVerdict(results: StudyResults): string[] {
  if (!hasComparisons(results)) return ['There are too few runs to compare.'];
  return measuresOf(results).map((measure) => {
    const title = nameOf(measure);
    if (!isTested(results, measure)) return `**${title}**: too few runs to compare.`;
    const clear = clearOf(results, measure);
    const sides = [
      { word: 'above', names: signed(clear, 1) },
      { word: 'below', names: signed(clear, -1) },
    ].filter(({ names }) => names.length > 0);
    const found =
      sides.length === 0
        ? `no method differs significantly from ${BASELINE}`
        : sides.map(({ word, names }) => `significantly ${word} ${BASELINE}: ${list(names)}`).join('; ');
    return `**${title}**: ${found}${resolution(results, measure)}.`;
  });
}

/** The half widths of the intervals: smaller differences cannot be seen. */
function resolution(results: StudyResults, measure: Measure): string {
  const halves = othersOf(results).flatMap((name) => {
    const interval = correctedDifference(results, name, measure)?.interval;
    return interval ? [(interval.high - interval.low) / 2] : [];
  });
  if (halves.length === 0) return '';
  const [least, most] = [Math.min(...halves), Math.max(...halves)].map(measure.show);
  return ` (half-widths of the intervals: ${least === most ? most : `${least} to ${most}`} ${measure.unit})`;
}

/** Whether the methods that Lemma 3.1 is about differ from the baseline. */
export function bonusVerdict(results: StudyResults): string {
  const measures = measuresOf(results).filter((measure) => isTested(results, measure));
  const measured = OPTIMISTIC.filter((name) =>
    measures.some((measure) => correctedDifference(results, name, measure)?.interval),
  );
  if (measured.length === 0 || measures.length === 0) return 'Lemma 3.1 of GEB: nothing to compare it with.';
  const inWhat =
    measures.length === measuresOf(results).length
      ? 'in any measure'
      : `in ${list(measures.map(nameOf))} (the runs are too few to compare anything else)`;
  const found = measures.flatMap((measure) =>
    clearOf(results, measure)
      .filter(({ name }) => measured.includes(name))
      .map(({ name, sign }) => `${name} (${sign > 0 ? 'higher' : 'lower'} ${nameOf(measure)})`),
  );
  return found.length === 0
    ? `Lemma 3.1 of GEB: of ${list(measured)}, none differs significantly from ${BASELINE} ${inWhat}, as one expects if the ` +
        `bonus does nothing. With ${comparisonsOf(results)} comparisons, effects within the intervals cannot be excluded.`
    : `Lemma 3.1 of GEB: with the bonus, these differ significantly from ${BASELINE}: ${list(found)}. So with finite steps and ` +
        'samples the bonus does change the policy here.';
}

/** Measures by which the verdict of all tasks is made. */
const DECISIVE = ['strict pass, %', 'coverage, %'];

/** What to take, in one or two sentences. For the page and for README. */
export function verdict(all: StudyResults[]): string {
  const compared = all.filter(hasComparisons);
  if (compared.length === 0) return 'There are no results to compare yet.';
  const tallied = compared.flatMap((results) =>
    measuresOf(results)
      .filter(({ title }) => DECISIVE.includes(title))
      .flatMap((measure) => clearOf(results, measure)),
  );
  const worse = new Set(signed(tallied, -1));
  const better = [...new Set(signed(tallied, 1))].filter((name) => !worse.has(name));
  const where = `on the study's ${['task', 'two tasks', 'three tasks'][compared.length - 1]}`;
  if (better.length > 0) {
    return (
      `Take ${list(better)}: significantly better than \`${BASELINE}\` in strict pass rate or coverage on a task, and on none ` +
      `worse, ${where}.`
    );
  }
  const small = compared.every(({ task }) => taskOf(task).isSmall) ? ', with a model of one million parameters' : '';
  const mixed = signed(tallied, 1).length > 0 ? ' without being worse in one of them' : '';
  const not = worse.size > 0 ? `, and ${list([...worse])} ${worse.size === 1 ? 'is' : 'are'} worse on some` : '';
  return (
    `After the last round, no objective is significantly better than \`${BASELINE}\` in strict pass rate or coverage${mixed} ` +
    `${where}${not}${small}: take \`${BASELINE}\`, or \`selm\` with its small default \`alpha\`.`
  );
}
