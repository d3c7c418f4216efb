/** Our side, in a process of its own like the peer's: selm_peer.ts TASK WORK.json THREADS; prints one JSON line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalEngine } from '../../engine/engine.ts';
import { samplingSchema, trainingSchema } from '../../engine/settings.ts';
import type { Measurement, Task, Work } from '../work.ts';

const [task, file, threadsText] = process.argv.slice(2) as [Task, string, string];
const threads = Number(threadsText);
const work = JSON.parse(readFileSync(file, 'utf8')) as Work;
const engine = new LocalEngine();
const folder = mkdtempSync(join(tmpdir(), 'selm-bench-'));
const quiet = { onProgress: () => {}, aborted: () => false };
const policy = { model: work.model, adapter: work.adapter };

/** What the engine does once in a process, opening sessions, is in the time, as it is in a worker's. */
const tasks: Record<Task, () => Promise<Measurement['values']>> = {
  async optimize() {
    const rows = work.preferences.map(({ prompt, chosen, rejected, reference }) => ({
      prompt_input_ids: prompt,
      chosen_input_ids: chosen,
      rejected_input_ids: rejected,
      reference_input_ids: reference,
    }));
    const { beta, alpha, learningRate, batchSize } = work;
    const training = trainingSchema.parse({ learningRate, batchSize, schedule: 'constant', shuffle: false, maxGradNorm: 1 }); // prettier-ignore
    const objective = { name: 'selm', beta, alpha } as const;
    const job = { policy, reference: policy, rows, objective, training, seed: 0, threads, outDir: join(folder, 'out') };
    const { metrics } = await engine.run('optimize', job, quiet);
    return metrics.map(({ loss }) => loss);
  },
  // The reference log-probabilities are computed once in any case.
  precomputed: () => tasks.optimize(),
  async sample() {
    const settings = samplingSchema.parse({ maxNewTokens: work.newTokens, batchSize: work.prompts.length });
    const prompts = work.texts.map((prompt, i) => ({ id: String(i), prompt }));
    const { responses } = await engine.run('sample', { policy: { model: work.model }, prompts, settings, seed: 0, threads }, quiet); // prettier-ignore
    return responses.map(([{ token_ids }]) => token_ids);
  },
  async score() {
    const rows = work.preferences.flatMap(({ prompt, chosen, rejected }) =>
      [chosen, rejected].map((response) => ({ prompt_input_ids: prompt, response_input_ids: response })),
    );
    const scores = await engine.run('score', { policy: { model: work.model }, rows, threads }, quiet);
    return scores.map(({ logp }) => logp);
  },
};

const started = performance.now();
const values = await tasks[task]();
const seconds = (performance.now() - started) / 1000;
await engine.close();
rmSync(folder, { recursive: true });
console.log(JSON.stringify({ seconds, values, peakMegabytes: process.resourceUsage().maxRSS / 1024 }));
