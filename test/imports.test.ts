/** The house: rooms import from those below them, never from those above. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const rooms = [
  'cli',
  'cdk',
  'web',
  'workers',
  'report',
  'workflows',
  'activities',
  'evaluation',
  'config',
  'labelers',
  'openai',
  'engine',
  'artifacts',
  'ports',
  'data',
];

it('the images hold every room', () => {
  const held = readFileSync(`${root}/.dockerignore`, 'utf8').split('\n');
  expect(rooms.filter((room) => !held.some((line) => line.startsWith(`!${room}`)))).toEqual([]);
});

const sources = (room: string) =>
  (readdirSync(`${root}/${room}`, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));

it.each(rooms)('%s imports only from itself and from what is below it', (room) => {
  const above = rooms.slice(0, rooms.indexOf(room));
  const files = sources(room);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const text = readFileSync(`${root}/${room}/${file}`, 'utf8');
    const imported = [...text.matchAll(/from '(?:\.\.\/)+([a-z]+)\//g)].map(([, name]) => name);
    expect(
      imported.filter((name) => above.includes(name)),
      `${room}/${file}`,
    ).toEqual([]);
  }
});
