/** A local server that speaks the part of the Hugging Face hub's API that its library calls. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

/** Content by path, at the one revision that the repository answers to besides its commit. */
export interface Repository {
  revision: string;
  files: Record<string, Buffer>;
  /** In place of its commit, and of the hash of each file's content: what a hub may send that is not to be trusted. */
  lies?: { commit?: string; oid?: string };
}

export const COMMIT = 'a'.repeat(40);

/**
 * Serves repositories, by kind and name as in `models/org/name`, until the test file ends. HF_ENDPOINT names it, HF_HUB_CACHE
 * the `cache`.
 * @returns its URL, and the files that are downloaded from it, in order
 */
export async function startHub(
  repositories: Record<string, Repository>,
  cache: string,
): Promise<{ url: string; downloads: string[] }> {
  const downloads: string[] = [];
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
    const part = start === undefined ? content : content.subarray(Number(start), Number(end) + 1);
    const range = start === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/${content.length}` };
    response.writeHead(start === undefined ? 200 : 206, { ETag: `"${key}"`, ...range }).end(part);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  afterAll(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  Object.assign(process.env, { HF_ENDPOINT: url, HF_HUB_CACHE: cache });
  return { url, downloads };
}
