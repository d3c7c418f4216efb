import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Of what hangs alone: tests wait for events, however busy the machine is.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 600_000 } },
    // Where one file waits, for a server or a heartbeat, another computes. More would starve each other on two cores.
    maxWorkers: 2,
    maxConcurrency: 2,
  },
});
