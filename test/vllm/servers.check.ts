/** vLLM servers of somebody else's: log-probabilities of given responses, and rewards. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { startEngine } from '../../engine/backends.ts';
import { createLabeler, labelSchema } from '../../labelers/index.ts';
import { OpenAiClient } from '../../openai/client/client.ts';
import { logpOnServer } from '../../openai/client/prompt-logprobs.ts';
import { expected as rankers, folderOf } from '../engine/onnx/rankers/fixtures.ts';
import { fixture, readJson } from '../engine/reference-case.ts';
import { smollm2 } from '../smollm2/model.ts';
import { temporaryFolder } from '../temporary.ts';
import { KEY_VARIABLE, startVllm } from './server.ts';

const folder = temporaryFolder();
const engine = startEngine();
afterAll(() => engine.close());

test("log-probabilities of given responses are the engine's and PyTorch's, to 1e-3 nats a token", async () => {
  const model = await smollm2();
  const server = await startVllm([model, '--served-model-name', 'smollm2', '--no-enable-chunked-prefill']);
  try {
    const cases = readJson<{ prompt_ids: number[]; answer_ids: number[]; logp: number }[]>(
      fixture('smollm2/expected.json'),
    ).slice(0, 4);
    const rows = cases.map(({ prompt_ids, answer_ids }) => ({
      prompt_input_ids: prompt_ids,
      response_input_ids: answer_ids,
    }));
    const own = await engine.run('score', { policy: { model }, rows });
    const client = new OpenAiClient({ url: server.url, model: 'smollm2', keyVariable: KEY_VARIABLE });
    for (const [i, { prompt_ids, answer_ids, logp }] of cases.entries()) {
      const given = await logpOnServer(client, { prompt: prompt_ids, response: answer_ids });
      expect(Math.abs(given - own[i].logp) / answer_ids.length).toBeLessThan(1e-3);
      expect(Math.abs(given - logp) / answer_ids.length).toBeLessThan(1e-3);
    }
  } finally {
    await server.stop();
  }
});

test("a reward model's scores are transformers' raw outputs", async () => {
  const model = join(folder, 'reward');
  const script = fileURLToPath(new URL('make_reward_model.py', import.meta.url));
  const { prompts, answers } = rankers;
  const printed = execFileSync(process.env['SELM_PYTHON']!, [script, folderOf('llama'), model], {
    input: JSON.stringify({ prompts, answers }),
    encoding: 'utf8',
  });
  const rewards = JSON.parse(printed.trim().split('\n').at(-1)!) as number[][];
  const server = await startVllm([model, '--served-model-name', 'reward', '--runner', 'pooling']);
  try {
    const settings = labelSchema.parse({
      by: 'reward-model',
      model,
      server: { url: server.url, model: 'reward', keyVariable: KEY_VARIABLE },
    });
    const labeler = await createLabeler(settings, { engine, cacheFolder: folder, compute: { threads: 1 } });
    const candidates = prompts.map((prompt, i) => ({ prompt: { id: `p${i}`, prompt }, answers: answers[i] }));
    const { verdicts } = await labeler.judge(candidates, {});
    for (const [i, row] of verdicts.entries()) {
      for (const [j, { score }] of row.entries()) expect(score, `${i}, ${j}`).toBeCloseTo(rewards[i][j], 3);
    }
    // Not probabilities.
    expect(Math.max(...rewards.flat().map(Math.abs))).toBeGreaterThan(1);
  } finally {
    await server.stop();
  }
});
