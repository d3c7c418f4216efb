/** Arguments for creating labelers that need neither an engine nor a cache. */
import type { LabelTools } from '../../labelers/labeler.ts';

export const noTools: LabelTools = {
  engine: {
    version: async () => 'stand-in 1',
    run: (method) => Promise.reject(new Error(`the engine was asked to ${method}`)),
    close: () => Promise.resolve(),
  },
  cacheFolder: '/nonexistent',
  compute: { threads: 1 },
};
