/** Arguments for creating labelers that need neither an engine nor a cache. */
import type { LabelTools } from '../../labelers/labeler.ts';

export const noTools: LabelTools = {
  engine: {
    run: (method) => Promise.reject(new Error(`the engine was asked to ${method}`)),
    close: () => Promise.resolve(),
  },
  cacheFolder: '/nonexistent',
  threads: 1,
};
