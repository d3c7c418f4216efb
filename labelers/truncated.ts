/** What labeling does with answers that were cut at the length limit (finish_reason `length`). */
import { z } from 'zod';

export const truncatedSchema = z
  .enum(['keep', 'reject', 'drop'])
  .default('keep')
  .describe(
    'Answers cut at the length limit: candidates as they were sampled (`keep`), never chosen (`reject`), or no candidates (`drop`). The reference response may be one of them.',
  );
export type Truncated = z.infer<typeof truncatedSchema>;
