/** The context of steps: a store in a temporary folder, and the engine. */
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { StepContext } from '../../activities/step.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { startEngine } from '../../engine/backends.ts';
import { temporaryFolder } from '../temporary.ts';

export interface TestContext extends StepContext {
  /** A folder for files of the test. */
  folder: string;
}

export function testContext(): TestContext {
  const folder = temporaryFolder();
  const engine = startEngine();
  afterAll(() => engine.close());
  const store = new LocalStore(join(folder, 'store'));
  return { folder, store, engine, cacheFolder: join(folder, 'cache') };
}
