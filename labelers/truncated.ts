/** Treatment of truncated responses, which were cut at the length limit (finish_reason `length`). */
import { z } from 'zod';

export const truncatedSchema = z
  .enum(['keep', 'reject', 'drop'])
  .default('keep')
  .describe(
    'What to do with responses that were cut at the length limit: `keep` treats them as all other candidates, `reject` never ' +
      'chooses them, `drop` excludes them from the candidates. The reference response may be a cut response in all cases.',
  );
export type Truncated = z.infer<typeof truncatedSchema>;
