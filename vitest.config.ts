import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

const compiledChildren = fileURLToPath(new URL('test/fork.ts', import.meta.url));

export default defineConfig({
  plugins: [
    {
      name: 'compiled-children',
      enforce: 'pre',
      resolveId: (source, importer) =>
        source.endsWith('/fork.ts') && importer !== compiledChildren ? compiledChildren : undefined,
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/build.ts',
    // Only a test that hangs reaches these: tests wait for events, however busy the machine is.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 600_000 } },
    // Of two files at once, one or the other waits for a server or a heartbeat much of the time: 24 minutes of CPU time took 16 minutes on
    // two cores. A third one computes meanwhile.
    maxWorkers: 3,
    maxConcurrency: 2,
    sequence: { sequencer: LongestFirst },
  },
});
