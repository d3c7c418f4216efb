/** How the Temporal CLI gets onto a machine without it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { downloadTemporal } from '../../workers/dev-server/temporal-binary.ts';
import { freePort } from '../free-port.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const target = join(folder, 'cache', 'bin', 'temporal');
const archive = join(folder, 'archive.tar.gz');
const server = createServer(({ url }, response) => {
  if (url === '/archive') response.end(readFileSync(archive));
  else if (url === '/text') response.end('no archive');
  else response.writeHead(404).end();
});
let address: string;

beforeAll(async () => {
  // As Temporal's archives are: the executable beside other files.
  writeFileSync(join(folder, 'temporal'), '#!/bin/sh\necho temporal version 1\n');
  chmodSync(join(folder, 'temporal'), 0o755);
  writeFileSync(join(folder, 'LICENSE'), 'MIT');
  execFileSync('tar', ['-czf', archive, '-C', folder, 'LICENSE', 'temporal']);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

it.each([
  ['/nothing', /^127\.0\.0\.1:\d+ answered 404$/],
  ['/text', /gzip/],
])('a failed download of %s says why and leaves nothing', async (path, reason) => {
  await expect(downloadTemporal(address + path, target)).rejects.toThrow(reason);
  expect(readdirSync(join(target, '..'))).toEqual([]);
});

it('an address that nobody listens at is named', async () => {
  const port = await freePort();
  await expect(downloadTemporal(`http://127.0.0.1:${port}/`, target)).rejects.toThrow(
    `127.0.0.1:${port}: connect ECONNREFUSED`,
  );
});

it('the executable of the archive is kept, and nothing else', async () => {
  await downloadTemporal(`${address}/archive`, target);
  expect(execFileSync(target, { encoding: 'utf8' })).toBe('temporal version 1\n');
  expect(readdirSync(join(target, '..'))).toEqual(['temporal']);
});
