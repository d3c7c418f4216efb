/** The Temporal CLI, whose dev server is embedded: found, fetched or built. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { cacheFolder } from './places.ts';

/** Newer versions do not build from the Go module proxy alone. */
const GO_PACKAGE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

/**
 * The path of a `temporal` executable: on PATH, else in the cache, else downloaded by Temporal's SDK, else built with Go.
 * @param say told of what takes long
 */
export async function findTemporal(say: (message: string) => void): Promise<string> {
  const found = installedTemporal();
  if (found !== undefined) return found;
  const bin = join(cacheFolder(), 'bin');
  mkdirSync(bin, { recursive: true });
  return (await download(bin)) ?? build(bin, join(bin, 'temporal'), say);
}

/** The executable that is there already, if there is one. */
export function installedTemporal(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  return [...onPath, join(cacheFolder(), 'bin', 'temporal')].find((path) => existsSync(path));
}

/** The SDK's own download, where its server can be reached. It can only be had by starting what it fetches. */
async function download(folder: string): Promise<string | undefined> {
  const executable = { type: 'cached-download', downloadDir: folder, ttl: '10 years' } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } }).catch(() => undefined);
  if (!environment) return undefined;
  await environment.teardown();
  const { stdout } = await promisify(execFile)('ls', [folder]);
  const name = stdout.split('\n').find((entry) => entry.startsWith('temporal-'));
  return name === undefined ? undefined : join(folder, name);
}

async function build(folder: string, target: string, say: (message: string) => void): Promise<string> {
  say("Building Temporal's dev server with Go, once: about 3 minutes.");
  const started = Date.now();
  const compiler = spawn('go', ['install', '-v', GO_PACKAGE], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let packages = 0;
  let words = '';
  compiler.stderr.on('data', (data) => {
    packages += String(data).split('\n').length - 1;
    words = `${words}${data}`.slice(-500);
  });
  const ticker = setInterval(() => {
    say(`  ${Math.round((Date.now() - started) / 1000)} s, ${packages} packages fetched or compiled`);
  }, 15_000);
  const [code] = await once(compiler, 'exit').catch(() => ['no Go on this machine']);
  clearInterval(ticker);
  if (code === 0) return target;
  throw new Error(
    `There is no Temporal server: put the temporal CLI on PATH, or set TEMPORAL_ADDRESS (building it failed: ${words.trim() || code}).`,
  );
}
