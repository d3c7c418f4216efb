/** Chat templates against transformers and TRL: test/fixtures/chat-templates/make_chat_templates.py. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import type { Message, Tool } from '../../../data/records.ts';
import { ChatTemplate } from '../../../engine/tokenizer/chat-template.ts';
import { JinjaTemplate } from '../../../engine/tokenizer/jinja/template.ts';
import { normalizeMessages } from '../../../engine/tokenizer/messages.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';
import { ignoredBy, type Ignored } from '../../../engine/tokenizer/unwritten.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Exchange {
  prompt_input_ids: number[];
  response_input_ids: number[];
  is_prefix: boolean;
}
interface Masked {
  kind: string;
  conversation: string;
  ids: number[];
  mask: number[];
}
interface Expected {
  templates: Record<string, string>;
  conversations: Record<string, Message[]>;
  offered: Tool[];
  /** What transformers renders; null where the template raises an error. */
  rendered: {
    file: string;
    conversation: string;
    tools: boolean;
    arguments: object;
    generate: boolean;
    text: string | null;
    turns?: number[][];
  }[];
  cases: {
    'decode-cleanup': { ids: number[]; text: string };
    'sentencepiece-response': Exchange & { right: Omit<Exchange, 'is_prefix'> };
    'thought-dropped': Record<string, Exchange>;
    'tools-column': { prompt: Message[]; tools: Tool[]; ids: number[]; without: number[]; not_thinking: number[] };
    continued: Record<string, number[]>;
  };
  /** The parts of messages whose change does not change what the template writes. */
  ignored: { file: string; conversation: string; ignored: Ignored[] }[];
  masks: (Masked & { template: string; same: boolean })[];
  turns: Masked[];
}

const fixtures = new URL('../../fixtures/', import.meta.url).pathname;
const expected = JSON.parse(
  gunzipSync(readFileSync(join(fixtures, 'chat-templates/expected.json.gz'))).toString(),
) as Expected;
const caseFolder = (name: string) => join(fixtures, 'chat-templates/cases', name);
const openCase = (name: string, settings = {}) => loadTokenizer(caseFolder(name), settings);
const kindFolder = (name: string) => join(fixtures, 'tokenizers', name);

/** Templates of models of images: a message there is a list of parts, or has parts that are no text. */
const OF_IMAGES = /^(idefics3|smolvlm|llava_next)/;

describe('renders as transformers', () => {
  test.each(Object.keys(expected.templates).filter((file) => !OF_IMAGES.test(file)))('%s', (file) => {
    const template = new JinjaTemplate(expected.templates[file]);
    for (const row of expected.rendered.filter((each) => each.file === file)) {
      const messages = normalizeMessages(expected.conversations[row.conversation], 'any');
      const variables = {
        messages,
        tools: row.tools ? expected.offered : null,
        documents: null,
        bos_token: '<s>',
        eos_token: '</s>',
        add_generation_prompt: row.generate,
        ...row.arguments,
      };
      if (row.text === null) expect(() => template.render(variables), row.conversation).toThrow();
      else {
        expect(template.render(variables), row.conversation).toEqual({ text: row.text, turns: row.turns ?? [] });
      }
    }
  });
});

const WITH_TOOLS = Object.keys(expected.templates).flatMap((file) => {
  const [simple] = expected.rendered.filter(
    (row) => row.file === file && row.conversation === 'simple' && row.generate && row.tools && row.text !== null,
  );
  const without =
    simple &&
    expected.rendered.find(
      (row) =>
        row.file === file &&
        row.conversation === 'simple' &&
        row.generate &&
        !row.tools &&
        isDeepStrictEqual(row.arguments, simple.arguments),
    );
  return without ? [{ file, writes: simple.text !== without.text }] : [];
});

test('some templates write tools in transformers, some do not', () => {
  expect(new Set(WITH_TOOLS.map(({ writes }) => writes))).toEqual(new Set([true, false]));
  expect(WITH_TOOLS.length).toBeGreaterThan(60);
});

const openTemplate = (file: string) => {
  const names = { added: [], stops: [], special: { bos_token: '<s>', eos_token: '</s>' } };
  return ChatTemplate.open('folder', { default: { source: expected.templates[file], origin: `of ${file}` } }, names);
};

test.each(WITH_TOOLS)('whether tools are written is known as transformers has it: $file', ({ file, writes }) => {
  expect(openTemplate(file).writesTools).toBe(writes);
});

test.each([...new Set(expected.ignored.map(({ file }) => file))].filter((file) => !OF_IMAGES.test(file)))(
  'what is not written of messages is known as transformers has it: %s',
  (file) => {
    const chat = openTemplate(file);
    for (const { conversation, ignored } of expected.ignored.filter((row) => row.file === file)) {
      const found = ignoredBy(chat, expected.conversations[conversation], [], {});
      expect([...found].sort(), conversation).toEqual(ignored);
    }
  },
);

/** Up to the last of them: what a template writes behind it is left out. */
const wanted = ({ ids, mask }: Masked) => {
  const end = mask.lastIndexOf(1) + 1;
  return { ids: ids.slice(0, end), trained: mask.slice(0, end).map(Boolean) };
};

describe("trains on the assistant's turns", () => {
  const conversationOf = ({ conversation }: Masked) => expected.conversations[conversation];
  test.each(expected.masks)(
    'as `return_assistant_tokens_mask` with {% generation %}: $kind, $conversation',
    (masked) => {
      const tokenizer = loadTokenizer(kindFolder(masked.kind), { template: masked.template });
      expect(tokenizer.encodeConversation(conversationOf(masked))).toEqual(wanted(masked));
    },
  );

  test.each(expected.turns)('in a template without it: $kind, $conversation', (masked) => {
    expect(loadTokenizer(kindFolder(masked.kind)).encodeConversation(conversationOf(masked))).toEqual(wanted(masked));
  });

  test('a message that the template does not write is refused', () => {
    const template =
      "{% for m in messages %}{% if not (m.role == 'assistant' and loop.index0 == 3) %}<|im_start|>{{ m.role }}{{ m.content }}<|im_end|>{% endif %}{% endfor %}";
    const tokenizer = openCase('decode-cleanup', { template });
    const [user, assistant] = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    expect(() => tokenizer.encodeConversation([user, assistant, user, assistant])).toThrow(
      /^the chat template given for \S+ writes nothing of assistant message 4: leave the message out, or give a template that writes it\.$/,
    );
  });
});

const asRow = ({ prompt, responses, isPrefix }: ReturnType<ReturnType<typeof loadTokenizer>['encodeExchange']>) => ({
  prompt_input_ids: prompt,
  response_input_ids: responses[0],
  is_prefix: isPrefix,
});

describe('cases', () => {
  test('decode-cleanup: spaces stay, whatever the configuration says or leaves out', () => {
    const { ids, text } = expected.cases['decode-cleanup'];
    expect(openCase('decode-cleanup').decode(ids)).toBe(text);
    const silent = join(temporaryFolder(), 'silent');
    cpSync(caseFolder('decode-cleanup'), silent, { recursive: true });
    writeFileSync(join(silent, 'tokenizer_config.json'), '{"eos_token": "<|im_end|>"}');
    expect(loadTokenizer(silent).decode(ids)).toBe(text);
  });

  test('sentencepiece-response: a response begins with the token that the policy writes', () => {
    const { right, ...row } = expected.cases['sentencepiece-response'];
    expect(asRow(openCase('sentencepiece-response').encodeExchange('Name a color', ['Green is one.']))).toEqual(row);
    expect({ ...right, is_prefix: true }).toEqual(row);
  });

  test('sentencepiece-response: an answer keeps the space that it begins with behind its prompt', () => {
    const tokenizer = openCase('sentencepiece-response');
    const { prompt, responses } = tokenizer.encodeExchange('Name a color', [' Green is one.']);
    expect(tokenizer.decodeAnswer(prompt, responses[0])).toBe(' Green is one.');
    // transformers drops it where the answer is all there is.
    expect(tokenizer.decode(responses[0])).toBe('Green is one.');
  });

  test.each(Object.entries(expected.cases['thought-dropped']))('thought-dropped: %s', (name, row) => {
    const [folder, kind] = name.split('/');
    const answer = kind === 'cut' ? '<think>\nI wonder' : '<think>abc</think>Blue.';
    expect(asRow(openCase(`thought-dropped-${folder}`).encodeExchange('Hi', [answer]))).toEqual(row);
  });

  test('tools-column: tools are rendered, and arguments given', () => {
    const { prompt, tools, ids, without, not_thinking } = expected.cases['tools-column'];
    const tokenizer = openCase('tools-column');
    expect(ids).toHaveLength(166);
    expect(tokenizer.encodePrompt(prompt, { tools })).toEqual(ids);
    expect(tokenizer.encodePrompt(prompt)).toEqual(without);
    expect(openCase('tools-column', { arguments: { enable_thinking: false } }).encodePrompt(prompt)).toEqual(
      not_thinking,
    );
  });

  test.each(Object.entries(expected.cases.continued))(
    "a prompt that ends with the assistant's message is continued: %s",
    (name, ids) => {
      const prompt = [
        { role: 'user', content: 'Name a color' },
        { role: 'assistant', content: 'Green is ' },
      ];
      const tokenizer = openCase(name);
      expect(tokenizer.encodePrompt(prompt)).toEqual(ids);
      const whole = tokenizer.encodeExchange('Name a color', ['Green is one.']);
      const continued = tokenizer.encodeExchange(prompt, [[{ role: 'assistant', content: 'one.' }], 'one.']);
      for (const response of continued.responses) {
        expect([...continued.prompt, ...response]).toEqual([...whole.prompt, ...whole.responses[0]]);
      }
    },
  );
});

test('a response with reasoning or calls does not continue the message at the end of its prompt', () => {
  const template =
    '{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.thinking %}[{{ m.thinking }}]{% endif %}{{ m.content }}' +
    '{% for c in m.tool_calls or [] %}({{ c.function.name }}){% endfor %}<|im_end|>\n{% endfor %}' +
    '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
  const tokenizer = openCase('decode-cleanup', { template });
  const prompt = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Yes', thinking: 'Hm' },
  ];
  const call = { type: 'function', function: { name: 'weather', arguments: {} } };
  const answer = { role: 'assistant', content: 'No' };
  const textsOf = (...responses: Message[]) => {
    const {
      prompt: ids,
      responses: encoded,
      isPrefix,
    } = tokenizer.encodeExchange(
      prompt,
      responses.map((each) => [each]),
    );
    return { prompt: tokenizer.decode(ids), responses: encoded.map((each) => tokenizer.decode(each)), isPrefix };
  };
  const open = 'user\nHi\nassistant\n[Hm]Yes';
  expect(textsOf(answer)).toEqual({ prompt: open, responses: ['No'], isPrefix: true });
  // The policy would continue the message: what is trained on is another prompt.
  expect(textsOf(answer, { ...answer, thinking: 'So' })).toEqual({
    prompt: `${open}\nassistant\n`,
    responses: ['No', '[So]No'],
    isPrefix: false,
  });
  expect(textsOf({ ...answer, tool_calls: [call] }).responses).toEqual(['No(weather)']);
});

describe('the end of a turn', () => {
  const chatml = readFileSync(join(caseFolder('decode-cleanup'), 'chat_template.jinja'), 'utf8');
  let copies = 0;
  const root = temporaryFolder();
  /** The case's tokenizer with `<|im_end|>` an added token that is not special, and another EOS. */
  function plainEnd(template: string) {
    const folder = join(root, String(copies++));
    cpSync(caseFolder('decode-cleanup'), folder, { recursive: true });
    const json = readFileSync(join(folder, 'tokenizer.json'), 'utf8');
    const tokenizer = JSON.parse(json) as { added_tokens: { content: string; special: boolean }[] };
    tokenizer.added_tokens.find(({ content }) => content === '<|im_end|>')!.special = false;
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, eos_token_id: 0 }));
    writeFileSync(join(folder, 'generation_config.json'), '{}');
    writeFileSync(join(folder, 'tokenizer_config.json'), '{"eos_token": "<|endoftext|>"}');
    return loadTokenizer(folder, { template });
  }
  const [EOS, END] = [0, 2];
  const endOf = (tokenizer: ReturnType<typeof plainEnd>, response = 'Blue') => {
    const { responses } = tokenizer.encodeExchange('Hi', [response]);
    return { ids: responses[0], text: tokenizer.decode(responses[0]) };
  };

  test('is the token that the template writes, special or not, and stops generation', () => {
    const tokenizer = plainEnd(chatml);
    const { ids, text } = endOf(tokenizer);
    expect(ids.filter((id) => id === END || id === EOS)).toEqual([END]);
    expect(ids.at(-1)).toBe(END);
    expect(text).toBe('Blue<|im_end|>');
    expect(tokenizer.decodeAnswer(tokenizer.encodePrompt('Hi'), ids)).toBe('Blue');
    expect(tokenizer.eosIds).toEqual([END, EOS]);
  });

  test.each([
    ['nothing: EOS', '', 'Blue'],
    ['spaces: EOS in their place', '\\n\\n', 'Blue'],
    ['a text: EOS behind it', '[END]\\n', 'Blue[END]'],
  ])('where the template writes %s', (_, end, text) => {
    const tokenizer = plainEnd(chatml.replaceAll('<|im_end|>\\n', end));
    const { ids, text: decoded } = endOf(tokenizer);
    expect([decoded, ids.at(-1)]).toEqual([text, EOS]);
    expect(ids.filter((id) => id === END || id === EOS)).toEqual([EOS]);
    expect(tokenizer.decodeAnswer(tokenizer.encodePrompt('Hi'), ids)).toBe('Blue');
  });

  test('is found behind contents that are trimmed, or written twice', () => {
    for (const content of ['m.content | trim', "m.content + '|' + m.content"]) {
      const { ids } = endOf(plainEnd(chatml.replace('m.content', content)), ' <|im_end|> Blue ');
      expect(ids.at(-1)).toBe(END);
      expect(ids.at(-2)).not.toBe(END);
    }
  });

  test('is the EOS of several tokens that the template ends a turn with', () => {
    const { ids } = endOf(plainEnd(chatml.replaceAll('<|im_end|>\\n', '<|im_end|><|endoftext|>\\n')));
    expect(ids.slice(-2)).toEqual([END, EOS]);
  });
});

const parts = (...texts: string[]) => [{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }];

describe('contents', () => {
  test('text parts are joined by newlines for a template that takes strings, as vLLM does', () => {
    const tokenizer = openCase('tools-column');
    expect(tokenizer.encodePrompt(parts('One', 'two'))).toEqual(tokenizer.encodePrompt('One\ntwo'));
  });

  test('text parts go to a template that goes through them, and a string is a part to one that takes no string', () => {
    const both =
      '{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endfor %}';
    const only = '{% for m in messages %}{{ m.role }}:{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}';
    for (const template of [both, only]) {
      const tokenizer = openCase('tools-column', { template });
      expect(tokenizer.decode(tokenizer.encodePrompt(parts('One', 'two')))).toBe('user:Onetwo');
      expect(tokenizer.decode(tokenizer.encodePrompt('One'))).toBe('user:One');
    }
  });

  test('a part that is no text is refused by name', () => {
    const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }];
    expect(() => openCase('tools-column').encodePrompt(image)).toThrow(
      new InputError(
        'the user message 1 has a content part of type "image_url", and selm aligns models of text: leave it out.',
      ),
    );
  });
});

test('a template that is no Jinja is refused', () => {
  expect(() => openCase('tools-column', { template: '{% for m in %}' })).toThrow(
    /is no Jinja template that can be read/,
  );
});
