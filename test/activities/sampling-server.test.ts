/** Sampling by a server instead of the engine: real steps, `selm serve` as the server, and a tiny model. */
import { once } from 'node:events';
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPolicyArtifact } from '../../activities/policy.ts';
import { prepare } from '../../activities/prepare.ts';
import { sample, type SampleInput } from '../../activities/sample.ts';
import { unloadAdapter } from '../../activities/unload-adapter.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { readSampled } from '../../data/readers.ts';
import type { CallOptions } from '../../engine/protocol/jobs.ts';
import { layersOf } from '../../engine/model-files/linear-layers.ts';
import { openModelFolder } from '../../engine/model-files/model.ts';
import { readAdapter, writeAdapter } from '../../engine/model-files/lora.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { onnxRuntime, selmVersion } from '../../engine/version.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { loadAdapter, unloadAdapter as unload } from '../../openai/client/adapters.ts';
import { OpenAiClient } from '../../openai/client/client.ts';
import { samplerSchema } from '../../openai/client/sampler-settings.ts';
import { sampleFromServer } from '../../openai/client/sampler.ts';
import { startServe, type Serving } from '../openai/server/serve.ts';
import { tinyAdapter, tinyLimits, tinyModel, tinyPrompts } from '../tiny-model.ts';
import { testContext } from './context.ts';

const context = testContext();
const { store } = context;
const model = tinyModel(join(context.folder, 'model'));
const train = join(context.folder, 'train.jsonl');
await writeJsonl(train, tinyPrompts(12));
const prepareIn = (where = context, adapter?: string) =>
  prepare(
    where,
    {
      model,
      adapter,
      prompts: { train, heldOut: 2 },
      limits: tinyLimits,
      label: { by: 'verifier' },
      rounds: 1,
      seed: 0,
    },
    {},
  );
const base = await prepareIn();
const tuned = await prepareIn(context, tinyAdapter);
const prompts = base.rounds[0].address;

const greedy = samplingSchema.parse({ maxNewTokens: 12 });
const drawn = samplingSchema.parse({ maxNewTokens: 12, temperature: 1, samplesPerPrompt: 3 });

let serving: Serving;
/** A server without adapters, which tests may kill. */
let other: Serving;
beforeAll(async () => {
  [serving, other] = await Promise.all(
    [['--adapters', context.folder], []].map((flags) => startServe(model, ['--name', 'tiny', ...flags])),
  );
});
afterAll(() => Promise.all([serving.stop(), other.stop()]));

const serverOf = (changes: object = {}) => samplerSchema.parse({ url: serving.url, model: 'tiny', ...changes });
const loaded = async () => (await serving.models()).slice(1);

/** Samples a shard. Without `server`, the engine samples. */
async function answers(input: Partial<SampleInput>, options: CallOptions = {}, where = store) {
  const whole = { policy: base.policy, prompts, from: 0, to: 10, settings: greedy, seed: 3, threads: 2, ...input };
  const { address, summary } = await sample({ ...context, store: where }, whole, options);
  return { address, summary, rows: await readSampled(join(await where.open(address), 'responses.jsonl')) };
}
type Rows = Awaited<ReturnType<typeof answers>>['rows'];

const tokensOf = (rows: Rows) => rows.map(({ responses }) => responses.map(({ token_ids }) => token_ids));

/** The message of the InputError with which the promise rejects. */
async function refusal(failing: Promise<unknown>): Promise<string> {
  const error = await failing.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
}

describe('a server answers', () => {
  test.each([
    ['by the model as the engine does', base],
    ['by an adapter, which it loads, as the engine does', tuned],
  ])('%s', async (_, { policy }) => {
    const own = await answers({ policy });
    const served = await answers({ policy, server: serverOf() });
    expect(served.summary).toEqual(own.summary);
    for (const [i, { responses, ...row }] of served.rows.entries()) {
      const { responses: expected, ...prompt } = own.rows[i];
      expect(row).toEqual(prompt);
      const [{ logp, ...answer }, { logp: ownLogp, ...ownAnswer }] = [responses[0], expected[0]];
      expect(answer).toEqual(ownAnswer);
      expect(logp).toBeCloseTo(ownLogp!, 3);
    }
    expect(await loaded()).toHaveLength(policy === tuned.policy ? 1 : 0);
  });

  test('by the adapter otherwise than by the model', async () => {
    const [own, adapted] = await Promise.all(
      [base, tuned].map(({ policy }) => answers({ policy, server: serverOf() })),
    );
    expect(tokensOf(own.rows)).not.toEqual(tokensOf(adapted.rows));
  });

  test('with samples that depend on the seed, the prompt and their number, and not on the shard', async () => {
    const elsewhere = new LocalStore(join(context.folder, 'elsewhere'));
    await prepareIn({ ...context, store: elsewhere });
    const input = { settings: drawn, server: serverOf() };
    const whole = await answers(input);
    const first = await answers({ ...input, to: 4 }, {}, elsewhere);
    const second = await answers({ ...input, from: 4 }, {}, elsewhere);
    expect(tokensOf([...first.rows, ...second.rows])).toEqual(tokensOf(whole.rows));
    for (const { responses } of whole.rows) expect(new Set(responses.map(({ text }) => text)).size).toBe(3);
    expect(tokensOf((await answers({ ...input, seed: 4 })).rows)).not.toEqual(tokensOf(whole.rows));
  });

  test('as a step whose key names the model and how it samples, not where it is or what computes', async () => {
    const first = await answers({ server: serverOf() });
    const elsewhere = serverOf({ url: 'http://127.0.0.1:9/v1', concurrency: 1 });
    const again = await answers({ server: elsewhere, settings: { ...greedy, batchSize: 1 }, threads: 1 });
    expect(again.address).toBe(first.address);
    const { recipe } = await store.manifest(first.address);
    const { batchSize: _size, weights: _weights, ...settings } = greedy;
    expect(recipe.parameters).toEqual({ from: 0, to: 10, settings, server: { model: 'tiny' } });
    const own = await store.manifest((await answers({})).address);
    expect([recipe, own.recipe].map(({ selm, backend }) => [selm, backend])).toEqual([
      [undefined, undefined],
      [selmVersion, onnxRuntime],
    ]);
  });
});

describe('an adapter', () => {
  test('is put where the server is told to look, and taken away when it is unloaded', async () => {
    const adapterFolder = join(context.folder, 'adapters');
    const server = serverOf({ adapterFolder });
    const [{ id: name }] = await loaded();
    expect(await unloadAdapter(context, { policy: tuned.policy, server }, {})).toEqual({ unloaded: true });
    expect(await loaded()).toEqual([]);
    await answers({ policy: tuned.policy, server, to: 2 });
    expect(await loaded()).toMatchObject([{ id: name, root: join(adapterFolder, name) }]);
    expect(readdirSync(adapterFolder)).toEqual([name]);
    expect(await unloadAdapter(context, { policy: tuned.policy, server }, {})).toEqual({ unloaded: true });
    expect([await loaded(), readdirSync(adapterFolder)]).toEqual([[], []]);
  });

  test('that is not loaded, or whose server is gone, is no failure to unload', async () => {
    const gone = serverOf({ url: 'http://127.0.0.1:9/v1' });
    for (const input of [
      { policy: tuned.policy, server: serverOf() },
      { policy: base.policy, server: serverOf() },
      { policy: tuned.policy, server: gone },
    ]) {
      expect(await unloadAdapter(context, input, {})).toEqual({ unloaded: false });
    }
  });

  test('that somebody has unloaded on the way is loaded again', async () => {
    const { policy } = await openPolicyArtifact(store, tuned.policy);
    const client = new OpenAiClient({ url: serving.url, model: 'passing' });
    let loads = 0;
    const load = async () => {
      await loadAdapter(client, 'passing', policy.adapter!);
      if (loads++ === 0) await unload(client, 'passing');
    };
    const tokenizer = loadTokenizer(model);
    const rows = tinyPrompts(4).map((row) => ({ ...row, tokens: tokenizer.encodePrompt(row.prompt) }));
    const { responses } = await sampleFromServer({ client, tokenizer, load }, rows, greedy, 3, {});
    expect([responses.length, loads]).toEqual([4, 2]);
    await unload(client, 'passing');
  });

  test('is refused in one sentence by a server that takes none', async () => {
    const said = await refusal(answers({ policy: tuned.policy, server: serverOf({ url: other.url }), to: 3 }));
    expect(said).toMatch(
      /^http:\S+ did not load the adapter \S+ \(404 .*selm serve --adapters.*; vLLM needs --enable-lora/,
    );
  });

  test('stands for a policy: one with weights of its own is refused', async () => {
    const { recipe } = await store.manifest(base.policy);
    const whole = await store.create('policy', { ...recipe, seed: 1 }, async (folder) => {
      cpSync(model, join(folder, 'model'), { recursive: true });
      writeFileSync(join(folder, 'base.json'), '{}');
    });
    const said = await refusal(answers({ policy: whole, server: serverOf() }));
    expect(said).toMatch(/^Policy \w{12} is a whole model, and servers load adapters only: /);
  });

  test('with a scale of their own for some layers is refused: servers ignore it', async () => {
    const patterned = join(context.folder, 'patterned');
    const whole = readAdapter(tinyAdapter, layersOf(openModelFolder(model)));
    const [[layer, matrices]] = whole.matrices;
    writeAdapter(patterned, { ...whole, matrices: new Map(whole.matrices).set(layer, { ...matrices, alpha: 3 }) });
    const said = await refusal(answers({ policy: (await prepareIn(context, patterned)).policy, server: serverOf() }));
    expect(said).toMatch(/^The adapter has a rank_pattern or alpha_pattern, which servers such as vLLM ignore: /);
  });
});

interface Body {
  prompt: number[];
  max_tokens: number;
  choices: { token_ids?: number[]; logprobs: unknown }[];
}

const changing: Server[] = [];
afterAll(() => changing.forEach((server) => server.close()));

function textAlone({ choices: [choice] }: Body): void {
  Object.assign(choice, { token_ids: undefined, logprobs: null });
}

/** A proxy in front of `selm serve` that changes requests or responses, to simulate other servers. */
async function startChanging(request: (body: Body) => void, answer: (body: Body) => void = () => {}) {
  const server = createServer(async (incoming, outgoing) => {
    const body = JSON.parse(await textOf(incoming)) as Body;
    request(body);
    const { status, text } = await serving.ask(incoming.url!.replace('/v1', ''), body);
    const given = JSON.parse(text) as Body;
    if (status === 200) answer(given);
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(given));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  changing.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

/** Timeout of a test that starts a server, which takes a minute on a busy machine. */
const STARTS_AGAIN_MS = 300_000;

describe('a server that', () => {
  test('puts tokens before a prompt is refused, with the prompt', async () => {
    const url = await startChanging(({ prompt }) => void prompt.unshift(1));
    const said = await refusal(answers({ server: serverOf({ url }), from: 4, to: 5 }));
    const [, read, own] = /counts (\d+) tokens in prompt "p\d+", but the model's tokenizer counts (\d+)/.exec(said)!;
    expect(Number(read)).toBe(Number(own) + 1);
  });

  test('gives texts alone is taken at its word: their tokens, and no log-probability', async () => {
    const url = await startChanging(() => {}, textAlone);
    const own = await answers({});
    const { rows } = await answers({ server: serverOf({ url }), seed: 9 });
    for (const [i, { responses }] of rows.entries()) {
      const [{ text, token_ids, finish_reason }] = own.rows[i].responses;
      // Texts do not contain special tokens, which the random model's responses contain.
      const told = token_ids.filter((id, at) => id > 4 || (finish_reason === 'stop' && at === token_ids.length - 1));
      expect(responses).toEqual([{ text, finish_reason, token_ids: told }]);
    }
  });

  test('does not take a prompt fails for good and names it', async () => {
    const url = await startChanging((body) => void (body.max_tokens = 1000));
    const said = await refusal(answers({ server: serverOf({ url }), from: 2, to: 3 }));
    expect(said).toMatch(/^Prompt "p\d+": http:\S+ rejected the request \(400 .*256/);
  });

  test(
    'dies on the way fails the shard, for now; what was finished is not asked for again',
    async () => {
      const { url, pid } = other;
      const server = serverOf({ url, concurrency: 1, retries: 0 });
      const input = { server, settings: drawn, seed: 5 };
      const first = await answers({ ...input, to: 2 });
      const killing: CallOptions = { onProgress: ({ done }) => void (done === 1 && process.kill(pid, 'SIGKILL')) };
      const rest = { ...input, from: 2, to: 5 };
      const error = await answers(rest, killing).catch((thrown: unknown) => thrown);
      expect(error).not.toBeInstanceOf(InputError);
      expect((error as Error).message).toMatch(/gave no answer \(attempts: 1\)/);
      await other.stop();

      expect((await answers({ ...input, to: 2 })).address).toBe(first.address);
      other = await startServe(model, ['--name', 'tiny'], new URL(url).port);
      expect((await answers(rest)).rows).toHaveLength(3);
    },
    STARTS_AGAIN_MS,
  );
});
