/** The Temporal CLI, which has the embedded dev server: found on this machine, downloaded, or built. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { oneLine } from '../data/errors.ts';
import { TemporalFailed } from './errors.ts';
import { cacheFolder } from './places.ts';

/** Newer versions do not build from the Go module proxy alone. */
const GO_PACKAGE = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

/**
 * The path of a `temporal` executable: on PATH, else in the cache, else downloaded by Temporal's SDK, else built with Go.
 * @param say shows what takes long, and before the build why the download failed
 * @throws TemporalFailed when it can be neither downloaded nor built
 */
export async function findTemporal(say: (message: string) => void): Promise<string> {
  const found = installedTemporal();
  if (found !== undefined) return found;
  const bin = join(cacheFolder(), 'bin');
  mkdirSync(bin, { recursive: true });
  try {
    return await download(bin);
  } catch (error) {
    // Whatever the reason (no connection, a proxy, no release for this platform), Go may be able to build it.
    say(`Temporal's dev server cannot be downloaded (${oneLine((error as Error).message)}).`);
    return build(bin, join(bin, 'temporal'), say);
  }
}

/** The executable on this machine, if there is one. */
export function installedTemporal(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  return [...onPath, join(cacheFolder(), 'bin', 'temporal')].find((path) => existsSync(path));
}

/** Downloads with the SDK, which does so only to start a server. @throws what the SDK throws when it cannot */
async function download(folder: string): Promise<string> {
  const executable = { type: 'cached-download', downloadDir: folder, ttl: '10 years' } as const;
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } });
  await environment.teardown();
  const { stdout } = await promisify(execFile)('ls', [folder]);
  const name = stdout.split('\n').find((entry) => entry.startsWith('temporal-'));
  if (name === undefined) throw new TemporalFailed(`the SDK left no temporal-* in ${folder}`);
  return join(folder, name);
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
  const [code] = await once(compiler, 'exit').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return ['Go is not installed'];
  });
  clearInterval(ticker);
  if (code === 0) return target;
  throw new TemporalFailed(
    'There is no Temporal server: put the temporal CLI on PATH, or set TEMPORAL_ADDRESS ' +
      `(building it failed: ${words.trim() || code}).`,
  );
}
