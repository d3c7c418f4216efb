/** What steps work with: a store in a temporary folder, and the engine. */
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Rooms } from '../../activities/step.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { temporaryFolder } from '../temporary.ts';
import { startEngine } from '../../engine/backends.ts';

export interface TestRooms extends Rooms {
  /** For the test's own files. */
  folder: string;
}

export function testRooms(): TestRooms {
  const folder = temporaryFolder();
  const engine = startEngine();
  afterAll(() => engine.close());
  return { folder, store: new LocalStore(join(folder, 'store')), engine, cacheFolder: join(folder, 'cache') };
}
