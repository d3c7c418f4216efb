/** A local server that speaks the part of the Hugging Face hub's API that its library calls. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

/** Content by path, at the one revision that the repository answers to besides its commit. */
export interface Repository {
  revision: string;
  files: Record<string, Buffer>;
  /** Paths of files in Git LFS, of which the hub lists the SHA-256. */
  large?: string[];
  /** In place of its commit, and of the hash of each file's content: what a hub may send that is not to be trusted. */
  lies?: { commit?: string; oid?: string };
}

export interface Hub {
  url: string;
  /** The files that are downloaded, in order. */
  downloads: string[];
  /** The bytes that are sent of a file. After fewer than it has, the connection breaks. */
  sent: (path: string, content: Buffer) => Buffer;
}

export const COMMIT = 'a'.repeat(40);

/**
 * Serves repositories, by kind and name as in `models/org/name`, until the test file ends. HF_ENDPOINT names it, HF_HUB_CACHE
 * the `cache`.
 */
export async function startHub(repositories: Record<string, Repository>, cache: string): Promise<Hub> {
  const downloads: string[] = [];
  const hub: Hub = { url: '', downloads, sent: (_, content) => content };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.split('?')[0]);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    const [, , kind, name, call, rest] =
      /^(\/api)?\/(?:(models|datasets)\/)?([\w-]+\/[\w-]+)\/([\w-]+)\/(.+)$/.exec(path) ?? [];
    const repository = repositories[`${kind ?? 'models'}/${name}`];
    const entry = (key: string) => ({
      type: 'file',
      path: key,
      oid: repository.lies?.oid ?? key.replaceAll('/', '-'),
      size: repository.files[key].length,
      ...(repository.large?.includes(key) && {
        lfs: {
          oid: createHash('sha256').update(repository.files[key]).digest('hex'),
          size: repository.files[key].length,
          pointerSize: 130,
        },
      }),
    });
    if (!repository) return json({ error: 'Repository not found' }, 404);
    if (call === 'revision') {
      return [repository.revision, COMMIT].includes(rest)
        ? json({ sha: repository.lies?.commit ?? COMMIT })
        : json({ error: 'Invalid rev' }, 404);
    }
    if (call === 'tree') return json(Object.keys(repository.files).map(entry));
    if (call === 'paths-info') {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      return request.on('end', () => json((JSON.parse(body) as { paths: string[] }).paths.map(entry)));
    }
    const key = rest.slice(COMMIT.length + 1);
    const content = repository.files[key];
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
    if (end === '0') downloads.push(key);
    const sent = end === '0' ? content : hub.sent(key, content);
    const part = start === undefined ? sent : sent.subarray(Number(start), Number(end) + 1);
    const range = start === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/${content.length}` };
    response.writeHead(start === undefined ? 200 : 206, { ETag: `"${key}"`, ...range });
    if (sent.length === content.length) response.end(part);
    else response.write(part, () => response.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  hub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HUB_CACHE: cache });
  return hub;
}
