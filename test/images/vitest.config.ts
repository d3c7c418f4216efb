import { defineConfig } from 'vitest/config';

/** Builds the images and runs them: `npm run test:images`. Needs root, and buildah and debootstrap from Debian's packages. */
export default defineConfig({
  test: {
    include: ['test/images/*.check.ts'],
    globalSetup: 'test/build.ts',
    // They share buildah's storage.
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 3_600_000,
  },
});
