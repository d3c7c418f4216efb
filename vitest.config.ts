import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/build.ts',
    // Only a test that hangs reaches these: tests wait for events, however busy the machine is.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 600_000 } },
    // While one file waits for a server or a heartbeat, another computes. More would slow each other down on two cores.
    maxWorkers: 2,
    maxConcurrency: 2,
  },
});
