/**
 * Parameters of the OpenAI API and of vLLM that selm's server does not implement. Values without an effect on the response are
 * accepted, because clients send them. Other values are rejected with an error that contains the parameter's name.
 */
import { z } from 'zod';

/** Marks a Zod issue as an unsupported value, which has its own error code. */
export const UNSUPPORTED = { unsupported: true };

/** Accepts only the given values, which have no effect, and null. */
function neutral(...values: unknown[]) {
  const allowed = values.map((value) => JSON.stringify(value));
  return z
    .unknown()
    .refine((value) => value == null || allowed.includes(JSON.stringify(value)), {
      params: UNSUPPORTED,
      error: ({ input }) =>
        allowed.length === 0
          ? 'is not supported with this model.'
          : `does not support ${JSON.stringify(input)?.slice(0, 100)} with this model. ` +
            `Only the default (${allowed[0]}) value is supported.`,
    })
    .optional();
}

/** Accepts every value: the parameter has no effect on the response. */
const ignored = z.unknown().optional();

export const sharedParameters = {
  frequency_penalty: neutral(0),
  presence_penalty: neutral(0),
  logit_bias: neutral({}),
  response_format: neutral({ type: 'text' }),
  metadata: ignored,
  priority: ignored,
  request_id: ignored,
  service_tier: ignored,
  store: ignored,
  user: ignored,

  // vLLM's parameters.
  allowed_token_ids: neutral(),
  bad_words: neutral([]),
  guided_choice: neutral(),
  guided_decoding_backend: neutral(),
  guided_grammar: neutral(),
  guided_json: neutral(),
  guided_regex: neutral(),
  ignore_eos: neutral(false),
  include_stop_str_in_output: neutral(false),
  length_penalty: neutral(1),
  logits_processors: neutral(),
  min_p: neutral(0),
  min_tokens: neutral(0),
  prompt_logprobs: neutral(),
  repetition_penalty: neutral(1),
  skip_special_tokens: neutral(true),
  spaces_between_special_tokens: neutral(true),
  structured_outputs: neutral(),
  truncate_prompt_tokens: neutral(),
  use_beam_search: neutral(false),
};

export const completionParameters = {
  suffix: neutral(''),
  add_special_tokens: neutral(true),
};

export const chatParameters = {
  audio: neutral(),
  function_call: neutral('none', 'auto'),
  functions: neutral([]),
  modalities: neutral(['text']),
  parallel_tool_calls: ignored,
  prediction: ignored,
  prompt_cache_key: ignored,
  prompt_cache_retention: ignored,
  reasoning_effort: neutral(),
  safety_identifier: ignored,
  tool_choice: neutral('none', 'auto'),
  tools: neutral([]),
  verbosity: neutral(),
  web_search_options: neutral(),

  add_special_tokens: neutral(false),
  chat_template: neutral(),
  chat_template_kwargs: neutral({}),
  documents: neutral([]),
  echo: neutral(false),
  include_reasoning: neutral(true),
};

export const loadParameters = { lora_int_id: neutral(), load_inplace: neutral(false) };
export const unloadParameters = { lora_int_id: neutral() };
