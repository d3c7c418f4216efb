/** The files of models, tokenizers and adapters, and conversations that templates render. */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { textSchema, type Text, type Tool } from '../../../data/records.ts';
import { layersOf } from '../../../engine/model-files/linear-layers.ts';
import { ropeFrequencies } from '../../../engine/model-files/llama-config.ts';
import { readAdapter } from '../../../engine/model-files/lora.ts';
import { loadTokenizer, type ModelTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { readPairRmConfig } from '../../../engine/rankers/deberta-config.ts';
import { openRewardModel } from '../../../engine/onnx/rankers/reward.ts';
import { float32 } from '../../../engine/onnx/session.ts';
import { readCheckpoint, writeCheckpoint } from '../../../engine/onnx/training/checkpoint.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { jsonOf } from '../../../data/json.ts';
import type { Parser, Parsers } from '../parser.ts';
import { openLlamaFolder, openModelFolder } from '../../../engine/model-files/model.ts';
import { located } from '../../../data/errors.ts';

const fixture = (path: string) => join('test/fixtures', path);
const KINDS = ['llama2', 'llama3', 'mistral', 'qwen2', 'qwen3', 'smollm2', 'vicuna', 'zephyr'];
const tokenizerOf = (kind: string) => fixture(join('tokenizers', kind));

const tools: Tool[] = [
  {
    type: 'function',
    function: { name: 'time', description: 'The time.', parameters: { type: 'object', properties: {} } },
  },
];
const conversation = {
  prompt: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    {
      role: 'assistant',
      content: 'Yes?',
      tool_calls: [{ type: 'function', function: { name: 'time', arguments: {} } }],
    },
    { role: 'tool', content: '12' },
    { role: 'user', content: 'So?' },
  ],
  response: 'Now.',
  tools,
};
const conversationSchema = z.object({
  prompt: textSchema,
  response: z.string(),
  tools: z.array(z.looseObject({})).optional(),
});

/** What the template of every model takes. */
const plain: Text = [
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Yes?' },
  { role: 'user', content: 'So?' },
];

/** Renders and encodes with all of a tokenizer's functions. */
function use(tokenizer: ModelTokenizer, prompt: Text = 'Hi 💥 <end>', response = 'Yes.', given?: Tool[]): void {
  const ids = tokenizer.encodePrompt(prompt, { tools: given });
  const { responses } = tokenizer.encodeExchange(prompt, [response], { tools: given });
  tokenizer.encodeExchange(prompt, [response], { open: true });
  tokenizer.decode(ids);
  tokenizer.decodeAnswer(ids, responses[0]);
  for (const id of ids.slice(0, 9)) tokenizer.tokenBytes(id);
  if (typeof prompt === 'string') return;
  tokenizer.encodeConversation([...prompt, { role: 'assistant', content: response }], { tools: given });
}

const own = (model: string, name: string) => readFileSync(join(model, name));

const opened = (copy: string) => ropeFrequencies(openLlamaFolder(copy).config);

/** The caller that encodes a row names the row in errors. */
function tokenized(copy: string): void {
  const tokenizer = loadTokenizer(copy);
  located(copy, () => use(tokenizer));
}

function chatting(copy: string): void {
  const tokenizer = loadTokenizer(copy);
  located(copy, () => use(tokenizer, plain, 'Now.', tools));
}

export function modelParsers(folder: string): Parsers {
  /** A file of a copy of a model's folder. */
  const fileOf = (
    model: string,
    name: string,
    form: Parser['form'],
    inputs: Parser['inputs'],
    read: (copy: string) => unknown,
    names?: string,
  ): Parser => {
    const copy = join(folder, 'models', `${model.replaceAll('/', '-')}-${name.replaceAll('/', '-')}`);
    cpSync(model, copy, { recursive: true });
    return {
      form,
      inputs,
      file: join(copy, name),
      read: () => read(copy),
      names: names === 'folder' ? copy : join(copy, name),
    };
  };

  const tiny = tinyModel(join(folder, 'tiny'));
  const tinyLayers = layersOf(openModelFolder(tiny));
  const [llama3, smollm2, sharded] = [tokenizerOf('llama3'), tokenizerOf('smollm2'), fixture('models/sharded')];
  const [pairrm, onnx] = [fixture('rankers/pairrm-hf'), fixture('rankers/onnx-reward')];
  const templates = KINDS.map((kind) => own(tokenizerOf(kind), 'chat_template.jinja'));
  const many = JSON.stringify({
    ...(JSON.parse(String(own(tiny, 'tokenizer_config.json'))) as object),
    chat_template: [
      { name: 'default', template: String(templates[1]) },
      { name: 'tool_use', template: String(templates[3]) },
    ],
  });
  const loaded = KINDS.map((kind) => loadTokenizer(tokenizerOf(kind)));
  const adapterConfigs = ['plain', 'layers', 'rank-by-regex', 'excluded-by-regex', 'rslora'].map((name) =>
    own(fixture(join('adapters/loaded', name)), 'adapter_config.json'),
  );
  const adapter = (copy: string) => readAdapter(copy, tinyLayers);
  return {
    'config.json': fileOf(
      tiny,
      'config.json',
      'json',
      [own(tiny, 'config.json'), ...KINDS.map((kind) => own(tokenizerOf(kind), 'config.json'))],
      opened,
      'folder',
    ),
    'generation_config.json': fileOf(
      tiny,
      'generation_config.json',
      'json',
      [own(tiny, 'generation_config.json')],
      tokenized,
    ),
    'tokenizer.json': fileOf(tiny, 'tokenizer.json', 'json', [own(tiny, 'tokenizer.json')], tokenized, 'folder'),
    'tokenizer.json-llama3': fileOf(
      llama3,
      'tokenizer.json',
      'json',
      [own(llama3, 'tokenizer.json'), own(tokenizerOf('mistral'), 'tokenizer.json'), own(smollm2, 'tokenizer.json')],
      tokenized,
      'folder',
    ),
    'tokenizer_config.json': fileOf(
      tiny,
      'tokenizer_config.json',
      'json',
      [own(tiny, 'tokenizer_config.json'), many],
      chatting,
      'folder',
    ),
    'special_tokens_map.json': fileOf(
      tiny,
      'special_tokens_map.json',
      'json',
      ['{"eos_token":"<end>","bos_token":{"content":"<bos>"}}'],
      tokenized,
      'folder',
    ),
    'chat_template.jinja': fileOf(tiny, 'chat_template.jinja', 'text', templates, chatting, 'folder'),
    conversation: {
      form: 'json',
      inputs: [JSON.stringify({ ...conversation, prompt: plain, tools: undefined }), JSON.stringify(conversation)],
      read: (input) => renderAll(loaded, input),
      names: '',
    },
    'model.safetensors': fileOf(
      tiny,
      'model.safetensors',
      'binary',
      [own(tiny, 'model.safetensors')],
      opened,
      'folder',
    ),
    'model.safetensors.index.json': fileOf(
      sharded,
      'model.safetensors.index.json',
      'json',
      [own(sharded, 'model.safetensors.index.json')],
      opened,
      'folder',
    ),
    'adapter_config.json': fileOf(
      tinyAdapter,
      'adapter_config.json',
      'json',
      [own(tinyAdapter, 'adapter_config.json'), ...adapterConfigs],
      adapter,
      'folder',
    ),
    'adapter_model.safetensors': fileOf(
      tinyAdapter,
      'adapter_model.safetensors',
      'binary',
      [own(tinyAdapter, 'adapter_model.safetensors')],
      adapter,
      'folder',
    ),
    'pairrm-config.json': fileOf(pairrm, 'config.json', 'json', [own(pairrm, 'config.json')], readPairRmConfig),
    'model.onnx': fileOf(onnx, 'model.onnx', 'binary', [own(onnx, 'model.onnx')], openAndClose, 'folder'),
    'onnx-config.json': fileOf(onnx, 'config.json', 'json', [own(onnx, 'config.json')], judgeOne, 'folder'),
    ...checkpointParsers(folder),
  };
}

/** An error of the template or the row: whatever reads a row names it (located() in data/errors.ts). */
function renderAll(tokenizers: ModelTokenizer[], input: Buffer): void {
  const { success, data } = conversationSchema.safeParse(jsonOf(input.toString()));
  if (!success) return;
  const failures: unknown[] = [];
  for (const tokenizer of tokenizers) {
    try {
      use(tokenizer, data.prompt, data.response, data.tools);
    } catch (error) {
      failures.push(error);
    }
  }
  const unexpected = failures.find((error) => (error as Error).name !== 'InputError');
  if (failures.length > 0) throw unexpected ?? failures[0];
}

const openAndClose = async (copy: string) => (await openRewardModel(copy, 1)).close();

async function judgeOne(copy: string): Promise<void> {
  const model = await openRewardModel(copy, 1);
  try {
    await model.rewards([{ id: 'a', prompt: 'Hi', answers: ['Yes.', 'No '.repeat(100)] }], 'cut');
  } finally {
    await model.close();
  }
}

const state = () => ({ weight: float32(new Float32Array([1, 2]), [2]) });

/** Of a training: what is damaged is left out, and never thrown. */
function checkpointParsers(folder: string): Parsers {
  const dir = join(folder, 'checkpoints');
  mkdirSync(dir, { recursive: true });
  const written = writeCheckpoint(dir, { step: 1, fingerprint: 'f', metrics: [] }, state());
  const part = (name: string, form: Parser['form']): Parser => {
    const whole = readFileSync(join(written, name));
    const copy = join(folder, `checkpoints-${name}`, 'step-00000001');
    cpSync(written, copy, { recursive: true });
    return {
      form,
      inputs: [whole],
      file: join(copy, name),
      read: () => readCheckpoint(dirname(copy), 'f', state()),
      takesAll: true,
    };
  };
  return {
    'checkpoint.json': part('checkpoint.json', 'json'),
    'state.safetensors': part('state.safetensors', 'binary'),
  };
}
