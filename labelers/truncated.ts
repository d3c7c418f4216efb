/** Treatment of truncated responses, which were cut at the length limit (finish_reason `length`). */
import { z } from 'zod';

export const truncatedSchema = z
  .enum(['keep', 'reject', 'drop'])
  .default('keep')
  .describe(
    'Responses that were cut at the length limit: candidates like others (`keep`), never chosen (`reject`), or no candidates (`drop`). ' +
      'The reference response may be one of them.',
  );
export type Truncated = z.infer<typeof truncatedSchema>;
