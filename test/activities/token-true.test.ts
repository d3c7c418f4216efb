/** A round trains on exactly the sampled tokens. Checks a round's artifacts, with a SentencePiece and a byte-level tokenizer. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { label } from '../../activities/label.ts';
import { optimize } from '../../activities/optimize.ts';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { prefer } from '../../activities/prefer.ts';
import { prepare } from '../../activities/prepare.ts';
import { sample } from '../../activities/sample.ts';
import { readJsonl, writeJsonl } from '../../data/jsonl.ts';
import { readSampled } from '../../data/readers.ts';
import {
  preferenceSchema,
  referenceLogpsSchema,
  ROLES,
  type PreferenceRecord,
  type ReferenceLogps,
  type SampledRecord,
} from '../../data/records.ts';
import { openPolicyFiles } from '../../engine/tokens/policy.ts';
import { objectiveSchema, samplingSchema, trainingSchema } from '../../engine/protocol/settings.ts';
import { tokenizePreferences } from '../../engine/tokens/preferences.ts';
import { randomModel } from '../random-model.ts';
import { smollm2 } from '../smollm2/model.ts';
import { referenceLogps } from './reference-logps.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store, engine, folder } = context;
const threads = 2;
/** Tolerance between the logps of sampling and of scoring, in nats per token: the two sum in different orders. */
const SAME = 1e-3;

const limits = {
  sample: { maxNewTokens: 40 },
  optimize: { maxPromptLength: 512, maxLength: 1024 },
  evaluate: { maxNewTokens: 40 },
};

/** Creates a Llama model with random weights, and a tokenizer and a chat template like Zephyr's. */
async function zephyrLike(): Promise<string> {
  const model = join(folder, 'zephyr');
  randomModel(model, {
    vocab_size: 1159,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 512,
  });
  const tokenizer = fileURLToPath(new URL('../fixtures/tokenizers/zephyr', import.meta.url));
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    copyFileSync(join(tokenizer, file), join(model, file));
  return model;
}

const QUESTIONS = [
  'Name a color.',
  'Say yes or no.',
  'Name two animals.',
  'What is 2 + 2?',
  'Say "hello" in French, in one word.',
  'Name a fruit and a tool.',
];

interface Made {
  sampled: SampledRecord[];
  preferences: PreferenceRecord[];
  logps: ReferenceLogps[];
  preferencesFile: string;
  policy: string;
  rows: object;
}

describe.each([
  ['SentencePiece, as Zephyr', zephyrLike, 24],
  ['byte-level, SmolLM2', smollm2, 40],
])('%s', (name, modelOf, maxNewTokens) => {
  let made: Made;

  beforeAll(async () => {
    const model = await modelOf();
    const train = join(folder, `${name}.jsonl`);
    // Every second prompt has the data set's responses.
    const own = {
      chosen:
        'A very good answer, which is longer than what is sampled, as its length is what it is labeled by. '.repeat(4),
      rejected: '?',
    };
    await writeJsonl(
      train,
      [...QUESTIONS, ...QUESTIONS.map((question) => `${question} Answer briefly.`)].map((prompt, i) => ({
        prompt,
        ...(i % 2 === 1 && own),
      })),
    );
    const byLength = join(folder, 'by-length.mjs');
    writeFileSync(byLength, 'export default (prompt, answers) => answers.map(({ length }) => length);');
    const labeler = { by: 'module' as const, path: byLength };
    const { policy, rounds } = await prepare(
      context,
      { model, prompts: { train, heldOut: 2 }, limits, label: labeler, rounds: 1, seed: 0 },
      {},
    );
    const settings = samplingSchema.parse({ samplesPerPrompt: 3, temperature: 1, maxNewTokens });
    const shard = { policy, prompts: rounds[0].address, from: 0, to: rounds[0].count, settings, seed: 1, threads };
    const { address: responses } = await sample(context, shard, {});
    const { address: labels } = await label(context, { responses, label: labeler, threads }, {});
    const { address: preferences, summary } = await prefer(context, { labels: [labels], truncated: 'keep' }, {});
    const training = trainingSchema.parse({ batchSize: 4, lora: { rank: 2 } });
    const reference = await referenceLogps(context, { policy, preferences }, training, summary.preferences);
    const objective = objectiveSchema.parse({});
    const input = { policy, preferences, reference, objective, training, seed: 1, threads, checkpointSeconds: 60 };
    const optimized = await optimize(context, input, {});
    const preferencesFile = join(await store.open(preferences), 'preferences.jsonl');
    made = {
      sampled: await readSampled(join(await store.open(responses), 'responses.jsonl')),
      preferences: await readJsonl(preferencesFile, preferenceSchema),
      logps: await readJsonl(join(await store.open(reference[0]), 'logps.jsonl'), referenceLogpsSchema),
      preferencesFile,
      policy,
      rows: optimized.summary.rows,
    };
  });

  /** All sampled responses in the preferences, each with all responses to its prompt. */
  const trained = () =>
    made.preferences.flatMap((row, i) => {
      const { responses, prompt_input_ids: promptIds } = made.sampled.find(({ id }) => id === row.id)!;
      return ROLES.flatMap((role) => {
        const ids = row[`${role}_input_ids`];
        const text = role === 'reference' ? row.reference_response : row[role];
        const isOwn = text === own(row.id, role);
        return isOwn ? [] : { role, row: i, ids, responses, promptIds, trainedPrompt: row.prompt_input_ids };
      });
    });
  const own = (id: string, role: string) =>
    (made.sampled.find((row) => row.id === id) as Record<string, unknown>)[role];

  test("every trained sequence of the policy's own answers is the sampled one", () => {
    const all = trained();
    expect(all.length).toBeGreaterThan(made.preferences.length);
    const differing = all.filter(
      ({ ids, responses, promptIds, trainedPrompt }) =>
        !responses.some(({ token_ids }) => token_ids.join() === ids?.join()) ||
        promptIds!.join() !== trainedPrompt!.join(),
    );
    expect(differing).toEqual([]);
    // Some responses are truncated. No end token is added to them.
    const cut = all.filter(({ ids, responses }) =>
      responses.some(({ token_ids, finish_reason }) => finish_reason === 'length' && token_ids.join() === ids!.join()),
    );
    expect(cut.length).toBeGreaterThan(0);
  });

  test('and so the trainer has them', async () => {
    const { policy } = await openPolicyArtifact(store, made.policy);
    const { rows } = await tokenizePreferences(
      openPolicyFiles(policy),
      made.preferencesFile,
      trainingSchema.parse({}),
      { reference: true },
    );
    for (const { row, role, ids, promptIds } of trained())
      expect(rows[row][role]).toEqual({ prompt: promptIds, response: ids });
    expect(made.rows).toEqual({
      rows: made.preferences.length,
      truncated: 0,
      equal: 0,
      promptTooLong: 0,
      promptNotPrefix: 0,
    });
  });

  test("the data set's own answers end with one end-of-turn token, and follow the same prompt", async () => {
    const { policy } = await openPolicyArtifact(store, made.policy);
    const { eosIds } = openPolicyFiles(policy).tokenizer();
    const rows = made.preferences.filter(({ id, chosen }) => chosen === own(id, 'chosen'));
    expect(rows.length).toBeGreaterThan(0);
    for (const { chosen_input_ids: ids } of rows) {
      expect(ids!.filter((token) => eosIds.includes(token))).toHaveLength(1);
      expect(eosIds).toContain(ids!.at(-1));
    }
  });

  test("sampling's log-probabilities are the scorer's", async () => {
    const { policy } = await openPolicyArtifact(store, made.policy);
    const answers = made.sampled.flatMap(({ prompt_input_ids: promptIds, responses }) =>
      responses.map((response) => ({ ...response, promptIds: promptIds! })),
    );
    const rows = answers.map(({ promptIds, token_ids }) => ({
      prompt_input_ids: promptIds,
      response_input_ids: token_ids,
    }));
    const scores = await engine.run('score', { policy, rows, threads });
    for (const [i, { logp, tokens }] of scores.entries()) {
      expect(tokens).toBe(answers[i].token_ids.length);
      expect(Math.abs(logp - answers[i].logp!) / tokens).toBeLessThan(SAME);
    }
    // The logps of the step `reference`, which training uses, are the same.
    for (const { row, role, ids, responses } of trained()) {
      const sampled = responses.find(({ token_ids }) => token_ids.join() === ids!.join())!;
      expect(Math.abs(made.logps[row][role] - sampled.logp!) / ids!.length).toBeLessThan(SAME);
    }
  });
});
