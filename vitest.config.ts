import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 600_000,
    // Where one file waits, for a server or a heartbeat, another computes. More would starve each other on two cores.
    maxWorkers: 2,
    maxConcurrency: 2,
  },
});
