/** The bench's results as a page. */
import type { Result, Results } from './main.ts';
import type { Measurement } from './work.ts';

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const seconds = (runs: Measurement[]) => median(runs.map((run) => run.seconds));
const megabytes = (runs: Measurement[]) => median(runs.map((run) => run.peakMegabytes));

export function describe({ machine, threads, versions, results }: Results): string {
  const peer = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', '); // prettier-ignore
  return `# Performance

Written by \`npm run bench\`: ${machine}, ${threads} threads. SmolLM2-135M-Instruct in float32; medians of ${results[0].selm.length} runs a side, in turns, each in a
process of its own, sessions opened within the time. The peer is ${peer || 'missing'}. All numbers are in [bench/results.json](../bench/results.json).

| | selm | peer | times faster | selm, peak | peer, peak | times less | same result |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
${results.map(row).join('\n')}

- **optimize**: two SELM steps of four preferences, LoRA of rank 16 on all linear layers. The peer does the authors' step: the policy on
  chosen and rejected, again on the reference response, the same for the reference model, whole-vocabulary log-softmax, backward, AdamW.
- **optimize, reference given**: the peer has the reference model's log-probabilities beforehand, outside its time; selm computes them
  within its own.
- **sample N**: N of IFEval's prompts, greedy, at most 128 new tokens; the peer is transformers' \`generate\`.
- **score**: log-probabilities of 64 responses; the peer's batches have four.
`;
}

function row({ name, selm, peer, task }: Result): string {
  const [own, ownPeak] = [seconds(selm), megabytes(selm)];
  if (peer.length === 0) return `| ${name} | ${own.toFixed(1)} s | missing | | ${ownPeak.toFixed(0)} MB | | | |`;
  const [other, otherPeak] = [seconds(peer), megabytes(peer)];
  const [a, b] = [selm[0].values, peer[0].values];
  const same = task === 'sample' ? sameAnswers(a as number[][], b as number[][]) : largestDifference(a as number[], b as number[]); // prettier-ignore
  return `| ${name} | ${own.toFixed(1)} s | ${other.toFixed(1)} s | ${(other / own).toFixed(1)} | ${ownPeak.toFixed(0)} MB | ${otherPeak.toFixed(0)} MB | ${(otherPeak / ownPeak).toFixed(1)} | ${same} |`; // prettier-ignore
}

const sameAnswers = (a: number[][], b: number[][]) =>
  `${a.filter((answer, i) => answer.join() === b[i].join()).length} of ${a.length} answers, token for token`;

const largestDifference = (a: number[], b: number[]) =>
  `to ${Math.max(...a.map((value, i) => Math.abs(value - b[i]))).toExponential(1)}`;
