/** The Temporal CLI, which contains the embedded dev server: found on this machine, downloaded, or built with Go. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { oneLine } from '../../data/errors.ts';
import { TemporalFailed } from '../temporal/errors.ts';
import { cacheFolder } from '../places.ts';

/** Newer versions cannot be built from the Go module proxy alone. */
const VERSION = 'v1.5.1';
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@${VERSION}`;
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
/** The address in Temporal's documentation (docs.temporal.io/cli). */
const ARCHIVE = `https://temporal.download/cli/archive/${VERSION}?platform=${process.platform}&arch=${ARCHITECTURES[process.arch]}`;
/** Time limit, because an unreachable server may never answer a request. */
const CONNECT_SECONDS = 20;

/**
 * Finds a `temporal` executable: on PATH or in the cache. Otherwise downloads it, or builds it with Go.
 * @param say reports slow operations and failed downloads
 * @returns its path
 * @throws TemporalFailed when there is no executable and it can be neither downloaded nor built
 */
export async function findTemporal(say: (message: string) => void): Promise<string> {
  const found = installedTemporal();
  if (found !== undefined) return found;
  const target = cached();
  try {
    say(`Downloading Temporal's dev server, once, to ${target}.`);
    await downloadTemporal(ARCHIVE, target);
  } catch (error) {
    const reason = oneLine((error as Error).message);
    say(`Temporal's dev server cannot be downloaded (${reason}); building it with Go, once: about 3 minutes.`);
    await build(target, say, reason);
  }
  return target;
}

/** The installed executable, if there is one. */
export function installedTemporal(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  return [...onPath, cached()].find((path) => existsSync(path));
}

const cached = () => join(cacheFolder(), 'bin', 'temporal');

/**
 * Downloads a .tar.gz archive and moves its `temporal` executable to `target`.
 * @throws Error when the address does not answer, or answers with anything but such an archive
 */
export async function downloadTemporal(address: string, target: string): Promise<void> {
  mkdirSync(join(target, '..'), { recursive: true });
  const folder = mkdtempSync(`${target}-`);
  try {
    const archive = join(folder, 'archive.tar.gz');
    await pipeline(Readable.fromWeb(await request(address)), createWriteStream(archive));
    await promisify(execFile)('tar', ['-xzf', archive, '-C', folder, 'temporal']);
    renameSync(join(folder, 'temporal'), target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function request(address: string): Promise<ReadableStream> {
  const impatience = new AbortController();
  const timer = setTimeout(() => impatience.abort(), CONNECT_SECONDS * 1000);
  const { host } = new URL(address);
  try {
    const { ok, status, body } = await fetch(address, { signal: impatience.signal });
    if (!ok || !body) throw new Error(`${host} answered ${status}`);
    return body as ReadableStream;
  } catch (error) {
    if (impatience.signal.aborted) throw new Error(`no answer from ${host} in ${CONNECT_SECONDS} s`, { cause: error });
    // fetch itself only reports "fetch failed". The cause has the reason.
    const { cause } = error as { cause?: Error };
    throw cause ? new Error(`${host}: ${cause.message}`, { cause }) : error;
  } finally {
    clearTimeout(timer);
  }
}

async function build(target: string, say: (message: string) => void, noDownload: string): Promise<void> {
  const started = Date.now();
  const compiler = spawn('go', ['install', '-v', GO_PACKAGE], {
    env: { ...process.env, GOBIN: join(target, '..') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let packages = 0;
  let log = '';
  compiler.stderr.on('data', (data) => {
    packages += String(data).split('\n').length - 1;
    log = `${log}${data}`.slice(-500);
  });
  const ticker = setInterval(() => {
    say(`  ${Math.round((Date.now() - started) / 1000)} s, ${packages} packages downloaded or compiled`);
  }, 15_000);
  const [code] = await once(compiler, 'exit').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return ['Go is not installed'];
  });
  clearInterval(ticker);
  if (code === 0) return;
  throw new TemporalFailed(
    'There is no Temporal server: put the temporal CLI on PATH, or set TEMPORAL_ADDRESS ' +
      `(download: ${noDownload}; build: ${log.trim() || code}).`,
  );
}
