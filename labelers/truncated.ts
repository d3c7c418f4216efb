/** What labeling does with answers that were cut at the length limit (finish_reason `length`). */
import { z } from 'zod';

export const truncatedSchema = z
  .enum(['keep', 'reject', 'drop'])
  .default('keep')
  .describe(
    'Answers that were cut at `sample.maxNewTokens`. `keep`: candidates like all others, trained on as they were sampled, without an end-of-turn token; `reject`: may be rejected but not chosen; `drop`: are no candidates. They are counted.',
  );
export type Truncated = z.infer<typeof truncatedSchema>;
