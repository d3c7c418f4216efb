import { defineConfig } from 'vitest/config';

/** The tests that start a real vLLM, one after the other: `npm run test:vllm`. */
export default defineConfig({
  test: {
    include: ['test/vllm/*.check.ts'],
    globalSetup: 'test/vllm/setup.ts',
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
