/** Jobs with a policy's own chat template, and with tools in prompts. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { LocalEngine } from '../../engine/onnx/engine.ts';
import { tokenizePrompts } from '../../activities/sampling-server.ts';
import { loadTokenizer } from '../../engine/tokenizer/tokenizer.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';

const model = join(new URL('../fixtures/sft/', import.meta.url).pathname, 'model');
const engine = new LocalEngine();
const undisturbed = { onProgress: () => {}, aborted: () => false };
const settings = samplingSchema.parse({ maxNewTokens: 2 });

/** Drops reasoning from answers, and writes tools and a variable. */
const template =
  '{% if tools %}{{ tools | tojson }}{% endif %}{{ mood }}{% for m in messages %}' +
  "<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>" +
  '{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}';
const chatTemplate = { template, arguments: { mood: 'calm' } };
const tools = [{ type: 'function', function: { name: 'weather' } }];
const tokenizer = loadTokenizer(model, chatTemplate);

test("sampling renders the policy's template with its arguments, and a row's tools, as a list or as JSON", async () => {
  const prompts = [tools, JSON.stringify(tools)].map((given, i) => ({ id: String(i), prompt: 'Hi', tools: given }));
  const rendered = tokenizer.encodePrompt('Hi', { tools });
  expect(tokenizer.decode(rendered)).toBe(
    '[{"type": "function", "function": {"name": "weather"}}]calmuser\nHiassistant\n<think>',
  );
  const { promptIds } = await engine.run(
    'sample',
    { policy: { model, chatTemplate }, prompts, settings, seed: 0, threads: 1 },
    undisturbed,
  );
  expect(promptIds).toEqual([rendered, rendered]);
});

test("a row's arguments replace the policy's, in sampling with the engine and on servers, and in scoring", async () => {
  const policy = { model, chatTemplate };
  const prompts = ['glad', undefined].map((mood, i) => ({
    id: String(i),
    prompt: 'Hi',
    ...(mood && { chat_template_kwargs: { mood } }),
  }));
  const wanted = prompts.map(({ chat_template_kwargs: given }) => tokenizer.encodePrompt('Hi', { arguments: given }));
  expect(tokenizer.decode(wanted[0])).toBe('gladuser\nHiassistant\n<think>');
  const { promptIds } = await engine.run('sample', { policy, prompts, settings, seed: 0, threads: 1 }, undisturbed);
  expect(promptIds).toEqual(wanted);
  const onServer = await tokenizePrompts(policy, { prompts, settings, seed: 0 }, {});
  expect(onServer.map(({ tokens }) => tokens)).toEqual(wanted);
  expect(onServer[0]).toMatchObject({ chat_template_kwargs: { mood: 'glad' } });
  const rows = prompts.map((row) => ({ ...row, response: 'Blue.' }));
  const scores = await engine.run('score', { policy, rows, threads: 1 }, undisturbed);
  expect(scores[0].logp).not.toBe(scores[1].logp);
});

test('tools that are no list are an error that names the row', async () => {
  const prompts = [{ id: 'a', prompt: 'Hi', tools: '{"type"' }];
  const failed = engine.run('sample', { policy: { model, chatTemplate }, prompts, settings, seed: 0 }, undisturbed);
  await expect(failed).rejects.toThrow(InputError);
  await expect(failed).rejects.toThrow(/^Prompt "a": its "tools" are not JSON .*: give a list of tools\.$/);
});

test('scoring reports rows whose prompt is no prefix of the exchange', async () => {
  const rows = [
    { prompt: 'Hi', response: '<think>so</think>Blue.' },
    { prompt_input_ids: [5, 6], response_input_ids: [7] },
  ];
  const scores = await engine.run('score', { policy: { model, chatTemplate }, rows, threads: 1 }, undisturbed);
  expect(scores.map(({ isPrefix }) => isPrefix)).toEqual([false, undefined]);
  // The template drops the reasoning that the prompt opens: the response begins where the template writes the answer.
  const { prompt, responses } = tokenizer.encodeExchange('Hi', [rows[0].response!]);
  expect(tokenizer.decode(prompt)).toBe('calmuser\nHiassistant\n');
  expect(scores[0].tokens).toBe(responses[0].length);
});
