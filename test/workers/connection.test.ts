/** Temporal's configuration file with something wrong in it: an input error that names it, and shows no key. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { InputError } from '../../data/errors.ts';
import { connectionSettings, hasServer } from '../../workers/temporal/connection.ts';
import { temporaryFolder } from '../temporary.ts';

const file = join(temporaryFolder(), 'temporal.toml');
afterEach(() => vi.unstubAllEnvs());

const KEY = 'api_key = "a-key-of-nobody"';

test.each([
  ['no TOML', `[profile.default]\n${KEY}\nnamespace = = "x"\n`],
  ['a key that stands twice', `[profile.default]\n${KEY}\n${KEY}\n`],
  ['an address that is a number', `[profile.default]\n${KEY}\naddress = 7233\n`],
  ['an address that is a list', `[profile.default]\n${KEY}\naddress = ["a"]\n`],
  [
    'a certificate that is not there',
    `[profile.default]\n${KEY}\n[profile.default.tls]\nserver_ca_cert_path = "/nonexistent/ca.pem"\n`,
  ],
])('%s', (_, text) => {
  writeFileSync(file, text);
  vi.stubEnv('TEMPORAL_CONFIG_FILE', file);
  for (const read of [hasServer, connectionSettings]) {
    expect(read).toThrow(InputError);
    expect(read).toThrow(file);
    expect(read).not.toThrow('a-key-of-nobody');
  }
});
