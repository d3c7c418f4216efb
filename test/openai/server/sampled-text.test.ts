/** Incremental decoding of a response, with the types of tokenizers of well-known models (test/fixtures/tokenizers). */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ResponseDecoder } from '../../../openai/server/response-decoder.ts';
import { SampledText } from '../../../openai/server/sampled-text.ts';
import { loadTokenizer } from '../../../engine/tokenizer/tokenizer.ts';

const folder = new URL('../../fixtures/tokenizers/', import.meta.url).pathname;
const read = (name: string) => JSON.parse(gunzipSync(readFileSync(folder + name)).toString()) as unknown;
// Texts in all scripts, with emoji and invalid characters.
const texts = (read('texts.json.gz') as string[]).filter((text, i) => i % 40 === 0 && text.length > 0);
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

describe.each(['llama2', 'mistral', 'llama3', 'qwen2', 'smollm2'])('%s', (kind) => {
  const tokenizer = loadTokenizer(folder + kind);
  const { noise } = read(`${kind}/expected.json.gz`) as { noise: number[][] };
  const prompt = tokenizer.encodeText('Say it:');
  const sampled = [...texts.map((text) => tokenizer.encodeText(text)), ...noise.slice(0, 50)].filter(
    ({ length }) => length > 0,
  );

  /** The texts taken after each `step` tokens. */
  function follow(ids: number[], stop: string[], step: number) {
    const text = new SampledText(tokenizer, prompt, stop);
    const pieces = [];
    for (let at = 0; at < ids.length; at += step) {
      text.add(ids.slice(at, at + step), at + step >= ids.length ? 'length' : undefined);
      pieces.push(text.take());
    }
    return { text, pieces };
  }

  test('the pieces are together the text, and the tokens', () => {
    for (const ids of sampled) {
      const { pieces } = follow(ids, [], 1);
      expect(pieces.map(({ text }) => text).join('')).toBe(tokenizer.decodeAnswer(prompt, ids));
      expect(pieces.flatMap(({ tokens }) => tokens)).toEqual(ids);
    }
  });

  test('after each token it is what all tokens up to that are decoded to, behind any prompt', () => {
    const whole = tokenizer.encodeText('é');
    // The last prompt ends in the middle of a character.
    const prompts = [prompt, tokenizer.encodeText('Say it: '), [tokenizer.eosIds[0]], whole, whole.slice(0, -1)];
    for (const [i, ids] of sampled.entries()) {
      for (const before of [prompts[0], prompts[1 + (i % 4)]].filter(({ length }) => length > 0)) {
        const decoder = new ResponseDecoder(tokenizer, before);
        let settled = '';
        for (const [at, id] of ids.entries()) {
          if (tokenizer.eosIds.includes(id)) break;
          decoder.add(id);
          expect(decoder.text).toBe(tokenizer.decodeAnswer(before, ids.slice(0, at + 1)));
          expect(decoder.settled.startsWith(settled)).toBe(true);
          settled = decoder.settled;
        }
      }
    }
  });

  test('a token takes no more decoding the longer its answer is', () => {
    const ids = tokenizer.encodeText('The quick brown fox jumps over the lazy dog. '.repeat(50));
    const decoded: number[] = [];
    const counting = {
      ...tokenizer,
      decode: (all: number[]) => (decoded.push(all.length), tokenizer.decode(all)),
      decodeAnswer: () => '',
    };
    const text = new SampledText(counting, prompt, ['\u0000never']);
    for (const id of ids) {
      text.add([id]);
      text.take();
    }
    expect(ids.length).toBeGreaterThan(400);
    expect(Math.max(...decoded)).toBeLessThan(20);
  });

  test('it ends before the first stop text, wherever tokens and runs of tokens end', () => {
    for (const [i, ids] of sampled.entries()) {
      const whole = tokenizer.decodeAnswer(prompt, ids);
      const at = Math.floor((whole.length * (i % 7)) / 7);
      const stop = whole.slice(at, at + 1 + (i % 4));
      if (stop === '' || stop.includes('\ufffd')) continue;
      for (const step of [1, 3, 16]) {
        const { text, pieces } = follow(ids, ['\u0000never', stop], step);
        expect(text.text).toBe(whole.slice(0, whole.indexOf(stop)));
        expect(text.finishReason).toBe('stop');
        expect(pieces.map((piece) => piece.text).join('')).toBe(text.text);
        const { length } = text.tokens;
        expect(tokenizer.decodeAnswer(prompt, ids.slice(0, length))).toContain(stop);
        expect(tokenizer.decodeAnswer(prompt, ids.slice(0, length - 1))).not.toContain(stop);
      }
    }
  });

  test('tokens that are sampled again after a fault are not told twice', () => {
    const [ids] = sampled.filter(({ length }) => length > 5);
    const text = new SampledText(tokenizer, prompt, []);
    text.add(ids.slice(0, 4));
    const pieces = [text.take()];
    text.restart();
    for (const [i, id] of ids.entries()) {
      text.add([id], i === ids.length - 1 ? 'length' : undefined);
      pieces.push(text.take());
    }
    expect(pieces.map((piece) => piece.text).join('')).toBe(tokenizer.decodeAnswer(prompt, ids));
    expect(pieces.flatMap(({ tokens }) => tokens)).toEqual(ids);
  });

  test("the bytes of tokens are together the text's", () => {
    for (const text of texts) {
      const ids = tokenizer.encodeText(`a${text}`).filter((id) => tokenizer.decode([id]) !== '');
      const bytes = Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id)));
      expect(utf8.decode(bytes).trimStart()).toBe(tokenizer.decode(ids).trimStart());
    }
  });
});
