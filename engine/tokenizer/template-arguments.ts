/** The arguments that may be given to a chat template. */
import { InputError } from '../../data/errors.ts';

/** Parameters of transformers' `apply_chat_template` that are no variables of a template, and the variables that selm sets. */
const RESERVED = [
  'messages',
  'conversation',
  'tools',
  'chat_template',
  'add_generation_prompt',
  'continue_final_message',
  'tokenize',
  'padding',
  'truncation',
  'max_length',
  'tokenizer_kwargs',
  'sanitize_control_tokens',
  'return_tensors',
  'return_dict',
  'return_assistant_tokens_mask',
];

/** @throws InputError when an argument is none of a template's variables */
export function checkArguments(given: Record<string, unknown>): void {
  const name = RESERVED.find((reserved) => reserved in given);
  if (name === undefined) return;
  throw new InputError(
    `the chat template's arguments (chatTemplate.arguments, chat_template_kwargs) include "${name}", ` +
      'which is not a variable that they can set: remove it.',
  );
}
