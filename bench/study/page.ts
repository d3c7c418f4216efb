/** Writes the page docs/study.md. All figures, and all sentences about them, come from the results. */
import { SAMPLES } from './fresh.ts';
import { markdownTable } from '../markdown.ts';
import { comparisonsOf, correctedDifference, measuresOf, othersOf } from './measures.ts';
import { BASELINE, BETA, METHODS } from './methods.ts';
import { plotOf } from './plots.ts';
import { gainOf, isByPrompt, meanOf, meanValue, startOf, type StartFresh, type StudyResults } from './results.ts';
import { failures, reading } from './sentences.ts';
import { cell, difference, fixed, percent, roundTable } from './tables.ts';
import { TASKS, type Task } from './tasks.ts';
import { unseenSections } from './unseen-section.ts';
import { bonusVerdict, gains, taskVerdict, verdict } from './verdict.ts';

/** Formats the results of the tasks as Markdown. */
export const describe = (all: StudyResults[]): string => `# Study: which objective

Written by \`npm run study\`. ${verdict(all)}

## Methods

s(y) = log π(y) − log π_ref(y), m(y) is s(y) averaged over the tokens of y, ℓ(y) is log π(y) averaged over them, c is the chosen
and r the rejected response.

| | Loss | Source of the settings |
| --- | --- | --- |
${METHODS.map(({ name, loss, source }) => `| ${name} | ${loss} | ${source} |`).join('\n')}

How the settings were chosen: no setting was tuned for a method. The learning rate, which all methods share, was tuned on the
quickstart with SELM.

- **β**: ${BETA} for all methods that sum log-ratios over a response. It is the quickstart's value, ten times SELM's 0.01 because
  responses have about eight tokens and not hundreds, and it is the default of TRL and of the authors of SE-POPO and GEB. SmolLM2's
  file has 0.1, too, although its responses have hundreds of tokens. ipo,
  simpo and ln-dpo average over tokens, so the length of responses does not matter, and they have the published values.
- **Learning rate**: that of the task's configuration for all methods. The papers use about 5e-7 for models with 7 to 8 billion
  parameters for almost all of them (SELM, SE-POPO, GEB, Tülu 3), so there is no reason to give one of them another. The
  loss of SELM, with which it was tuned, is nearly that of dpo. A method whose loss has another scale could do better with a
  rate of its own.
- **Weights of the terms for exploration**: the authors' or TRL's, except selm-0.01, selm-0.1 and vpo (see the table). The authors of SE-POPO lower their α from round to round (0.01,
  0.005, 0); here it is 0.01 in all rounds. geb's π(r) is the probability of a whole response: with hundreds of tokens it is 0 in
  float32, and geb is dpo.

Equal for all methods of a task: the model, the prompts of each round, the number of responses, the optimizer. The round's
reference policy π_ref, from which the round starts, samples the responses; the verifier selects chosen and rejected. There is no
gate: each round starts from the policy of the previous round. (In the papers of XPO and VPO, π_ref is always the start policy,
and a round trains on the preferences of all rounds so far. In the SELM paper, responses are greedy, and the data set's own
responses are candidates, too.)

## Why the bonus may do nothing

selm, xpo and vpo estimate the bonus max_π J(π, r) on sampled responses, where J is the expected reward minus β times the KL
divergence from π_ref. Lemma 3.1 of GEB's paper ([arXiv 2510.03269](https://arxiv.org/abs/2510.03269)) says that under KL
regularization the policies that training can lead to are the same with this bonus and without it. se-popo and geb have other
terms, which the lemma does not cover. The lemma is about exact optimization; training takes a few steps on a few samples. Below,
each task says what the numbers show.

## Measures

After the last round:

- **strict pass**: greedy responses to all held-out prompts that satisfy all constraints. No training prompt of the two small
  tasks asks for the same as a held-out prompt.
- **coverage** (pass@${SAMPLES}): prompts with a response that passes among ${SAMPLES} sampled at temperature 1, and **distinct**: how many of the
  ${SAMPLES} differ.
- **reward accuracy**: pairs whose better response has the greater implicit reward, log π(y) − log π_start(y) (for ipo and ln-dpo
  averaged over tokens; for simpo ℓ(y)). The pairs are the best and the worst of ${SAMPLES} fresh responses of the start policy to
  a held-out prompt, and so the same for all methods.
- **KL**: KL(π || π_start) in nats per response, along the sampled responses. **tokens**: mean length of the greedy responses.

Differences are relative to ${BASELINE}'s run with the same seed, which has the same prompts and, in the first round, the same
responses. Their intervals are Student's t intervals over seeds with a Bonferroni correction for all comparisons of the task: with
a probability of at least 95 %, all of them contain their true means, if differences are normally distributed. A difference is **bold** if its interval excludes 0. The
intervals of means are 95 % intervals, each by itself. A task with few seeds and many held-out prompts has intervals of strict pass over
prompts instead: the bootstrap of the mean over seeds, paired for differences. They say how much other prompts would change it.
${TASKS.map((task) =>
  section(
    task,
    all.find((results) => results.task === task.name),
  ),
).join('')}`;

const freshText = ({ samplePassRate, coverage, distinct }: StartFresh) =>
  `; of its sampled responses ${percent(samplePassRate)} % pass, coverage ${percent(coverage)} %, ${distinct.toFixed(2)} distinct`;

const gainsTable = (results: StudyResults, rounds: number[]) => `Less that of the start policy, points:

${roundTable(rounds, (name, round) => difference(gainOf(results, name, round), percent), results.methods)}

`;

function section(task: Task, results: StudyResults | undefined): string {
  const heading = `
## ${task.title}

${task.about}
`;
  if (!results || results.runs.length === 0)
    return `${heading}
No results yet: \`npm run study -- --task ${task.name}\`.
`;
  const { settings, machines, commits, runs, methods, seeds } = results;
  const rounds = Array.from({ length: settings.rounds }, (_, i) => i + 1);
  const measures = measuresOf(results);
  const others = othersOf(results);
  const planned = methods.length * seeds;
  const covered = runs.length === planned ? `All ${planned} runs` : `${runs.length} of ${planned} runs`;
  const [{ startFresh }] = runs;
  return `${heading}
${covered} (${methods.length} methods, ${seeds === 1 ? 'one seed' : `${seeds} seeds`}), ${settings.rounds} rounds of ${settings.promptsPerRound} prompts,
${settings.heldOut} held-out prompts, ${settings.freshPrompts} of them with ${SAMPLES} fresh responses. Numbers:
[study-${task.name}.json](study-${task.name}.json); ${settings.engine}, ${settings.threads === 1 ? 'one thread' : `${settings.threads} threads`}
per run, on ${machines.join(' and ')}, commit ${commits.join(', ')}. Other processors give other numbers.

The start policy: strict pass ${cell(startOf(results), percent)} %${startFresh ? freshText(startFresh) : ''}.

${[...(isByPrompt(results) ? [`**gain**: ${gains(results)}`] : []), ...taskVerdict(results), ...reading(results, BASELINE, rounds, BASELINE), bonusVerdict(results), ...failures(results)].map((line) => `- ${line.replace(/^- /, '')}`).join('\n')}
${isByPrompt(results) ? `\n![Strict pass rate by round](${plotOf(task.name, 'rounds')})\n` : ''}
![Strict pass rate less that of ${BASELINE}](${plotOf(task.name, 'strict')})

![Coverage less that of ${BASELINE}](${plotOf(task.name, 'coverage')})

After round ${settings.rounds}, less ${BASELINE}; intervals corrected for ${comparisonsOf(results)} comparisons:

${markdownTable(
  ['', ...measures.map(({ title, unit }) => `${title.replace(', %', '')}${title === unit ? '' : `, ${unit}`}`)],
  others.map((name) => [
    name,
    ...measures.map((measure) => difference(correctedDifference(results, name, measure), measure.show)),
  ]),
)}

After round ${settings.rounds}:

${markdownTable(
  ['', 'runs', ...measures.map(({ title }) => title)],
  methods.map((name) => [
    name,
    runs.filter(({ method }) => method === name).length,
    ...measures.map(({ of, show }) => cell(meanValue(results, name, of), show)),
  ]),
)}

Strict pass rate by round, %:

${roundTable(rounds, (name, round) => cell(meanOf(results, name, round, 'strictPassRate'), percent), methods)}

${isByPrompt(results) ? gainsTable(results, rounds) : ''}Preferences that a round trained on:

${roundTable(rounds, (name, round) => cell(meanOf(results, name, round, 'preferences'), fixed(0)), methods)}

${unseenSections(results)}`;
}
