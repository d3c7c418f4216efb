/** Scripts and style sheets of the pages: files of web/assets, under names with a hash of their content. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Hono } from 'hono';

const FOLDER = new URL('./assets/', import.meta.url);
const TYPES: Record<string, string> = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' };

interface Asset {
  url: string;
  type: string;
  content: string;
}

const assets = new Map(
  readdirSync(FOLDER).map((file): [string, Asset] => {
    const content = readFileSync(new URL(file, FOLDER), 'utf8');
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
    const [name, extension] = file.split('.');
    return [file, { url: `/assets/${name}.${hash}.${extension}`, type: TYPES[extension], content }];
  }),
);

/** The path of a file of web/assets, such as `label.js`. */
export const assetUrl = (file: string): string => assets.get(file)!.url;

/** Serves the files. Their names change with their content, so browsers keep them. */
export function assetFiles(): Hono {
  const app = new Hono();
  for (const { url, type, content } of assets.values())
    app.get(url, (c) => {
      c.header('Cache-Control', 'public, max-age=31536000, immutable');
      return c.body(content, 200, { 'Content-Type': type });
    });
  return app;
}
