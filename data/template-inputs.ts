/** What a row gives the chat template besides its messages. */
import type { TemplateFields, Tool } from './records.ts';
import { toolsOf } from './tools.ts';

export interface TemplateInputs {
  tools?: Tool[];
  /** They replace the arguments of the settings (`chatTemplate.arguments`) that have the same names. */
  arguments?: Record<string, unknown>;
  /** Whether responses continue an assistant message at the end of the prompt, or are messages of their own. Default: true. */
  continueFinalMessage?: boolean;
}

/** The inputs in the fields of a row. @throws InputError when its `tools` are not a list of objects */
export function templateInputs(row: TemplateFields): TemplateInputs {
  const tools = toolsOf(row);
  const { chat_template_kwargs: given, continue_final_message: continues } = row;
  return {
    ...(tools && { tools }),
    ...(given && { arguments: given }),
    ...(continues === false && { continueFinalMessage: continues }),
  };
}

/** The fields of a row that `templateInputs` reads, for another row with the same prompt. */
export const templateFields = ({
  tools,
  chat_template_kwargs: given,
  continue_final_message: continues,
}: TemplateFields): TemplateFields => ({
  ...(tools && { tools }),
  ...(given && { chat_template_kwargs: given }),
  ...(continues === false && { continue_final_message: continues }),
});
