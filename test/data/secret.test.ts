/** A credential is never printed, and is found in all forms in which a server may return it. */
import { format, inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { checkHeader, readAddress, readSecret, Secret, stripSecrets } from '../../data/secret.ts';

const VARIABLE = 'SELM_TEST_SECRET';
afterEach(() => {
  delete process.env[VARIABLE];
});
const messageOf = (failing: () => unknown): string => {
  try {
    failing();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return '';
};

test('it prints as ***', () => {
  const secret = new Secret('sk-planted/key+=');
  const said = [
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9, showHidden: true }),
    format('%s %o %j', secret, secret, secret),
  ];
  for (const text of said) expect(text).not.toContain('planted');
  expect(secret.reveal()).toBe('sk-planted/key+=');
});

describe('is stripped', () => {
  const key = 'sk-planted/with+slash=$1';
  const secret = new Secret(key);
  test.each([
    ['a text', `Incorrect API key provided: ${key}.`],
    ['JSON', JSON.stringify({ error: { message: `no: ${key}` } })],
    ['JSON whose slashes are escaped', JSON.stringify({ error: { message: `no: ${key}` } }).replaceAll('/', '\\/')],
    [
      'JSON of code points',
      `{"detail":"${[...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"}`,
    ],
    ['a name in JSON', JSON.stringify({ errors: [{ [key]: 1 }] })],
    ['JSON in JSON', JSON.stringify({ detail: JSON.stringify({ said: key }).replaceAll('/', '\\/') })],
    ['JSON that was cut', `{"error":"${key.replaceAll('/', '\\/')}`],
    ['an address', `https://example.org/?key=${encodeURIComponent(key)}`],
  ])('from %s', (_, body) => {
    const clean = secret.stripBody(body);
    expect(clean).toContain('***');
    let text = clean;
    // Reading it several times has no effect.
    for (let i = 0; i < 3; i++) {
      expect(text.replaceAll('\\', '')).not.toContain(key);
      expect(text).not.toContain('planted');
      text = text.replaceAll('\\"', '"').replaceAll('\\/', '/');
    }
  });

  test('and what is without it is as it was, to the byte', () => {
    const body = '{ "a": 1.0, "b": [12345678901234567890], "c": "\\/" }';
    expect(secret.stripBody(body)).toBe(body);
    expect(new Secret('EMPTY').stripBody('"EMPTY"')).toBe('"EMPTY"');
  });
});

describe('of the environment', () => {
  test('it has no white space around it', () => {
    process.env[VARIABLE] = ' hf_planted_token\r\n';
    expect(readSecret(VARIABLE)!.reveal()).toBe('hf_planted_token');
    process.env[VARIABLE] = '\n';
    expect(readSecret(VARIABLE)).toBeUndefined();
  });

  test.each(['hf_planted\ntoken', 'hf planted', 'hf_plantéd'])('%j is refused, and not repeated', (value) => {
    process.env[VARIABLE] = value;
    const message = messageOf(() => readSecret(VARIABLE));
    expect(message).toMatch(/^InputError: SELM_TEST_SECRET is not a valid key/);
    expect(message).not.toContain('plant');
  });

  test.each([
    'http://me:planted@hub.example',
    'https://planted@hub.example/x',
    'me:planted@temporal:7233',
    'http://a:planted@b@c',
  ])('the address %s is refused, and not repeated', (value) => {
    const message = messageOf(() => readAddress(VARIABLE, value));
    expect(message).toMatch(/^InputError: SELM_TEST_SECRET contains a user name or a password/);
    expect(message).not.toContain('planted');
  });

  test.each(['http://hub.example/a@b', 'temporal:7233', '[::1]:7233', 'https://hub.example/?a=b@c', undefined])(
    'the address %s is taken',
    (value) => {
      expect(readAddress(VARIABLE, value)).toBe(value);
    },
  );
});

describe('what is printed', () => {
  test('has no credential that was read, and none in an address', () => {
    process.env[VARIABLE] = 'hf_planted/token';
    readSecret(VARIABLE);
    const text =
      'no: hf_planted/token, hf_planted%2Ftoken, "https://me:planted@hub.example/a@b", http://planted@h, x@y.example';
    expect(stripSecrets(text)).toBe('no: ***, ***, "https://***@hub.example/a@b", http://***@h, x@y.example');
  });

  test.each(['authorization=planted\nkey', 'authorization=plantéd'])(
    'headers %j are refused, and not repeated',
    (value) => {
      const message = messageOf(() => checkHeader(VARIABLE, value));
      expect(message).toMatch(/^InputError: SELM_TEST_SECRET contains new lines or characters that are not ASCII/);
      expect(message).not.toContain('plant');
      expect(checkHeader(VARIABLE, 'authorization=Bearer%20key, x-team=a b')).toBeUndefined();
    },
  );
});
