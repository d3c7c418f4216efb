/** What labelers that need neither engine nor cache are made with. */
import type { LabelTools } from '../../labelers/labeler.ts';

export const noTools: LabelTools = {
  engine: {
    run: (method) => Promise.reject(new Error(`the engine was asked to ${method}`)),
    close: () => Promise.resolve(),
  },
  cacheFolder: '/nonexistent',
  threads: 1,
};
