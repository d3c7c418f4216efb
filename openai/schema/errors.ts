/** The body of an error response. */
import { z } from 'zod';

/** Error codes of the OpenAI API that selm's server sends and its client handles. */
export type ErrorCode =
  | 'context_length_exceeded'
  | 'invalid_api_key'
  | 'model_not_found'
  | 'unknown_parameter'
  | 'unsupported_parameter'
  | 'unsupported_value';

export const errorBody = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().nullish(),
    /** The rejected parameter. */
    param: z.string().nullish(),
    code: z.string().nullish(),
  }),
});
export type ErrorBody = z.infer<typeof errorBody>;
