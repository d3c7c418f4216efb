import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 600_000,
    // The engine's threads and the servers under test share two cores: one file at a time.
    fileParallelism: false,
    maxConcurrency: 2,
  },
});
