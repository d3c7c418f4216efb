/** What a row gives the chat template besides its messages: tools, and values of the template's variables. */
import type { TemplateFields, Tool } from './records.ts';
import { toolsOf } from './tools.ts';

export interface TemplateInputs {
  tools?: Tool[];
  /** They replace the arguments of the settings (`chatTemplate.arguments`) that have the same names. */
  arguments?: Record<string, unknown>;
}

/** The inputs in the fields of a row. @throws InputError when its `tools` are not a list of objects */
export function templateInputs(row: TemplateFields): TemplateInputs {
  const tools = toolsOf(row);
  const { chat_template_kwargs: given } = row;
  return { ...(tools && { tools }), ...(given && { arguments: given }) };
}

/** The fields of a row that `templateInputs` reads, for another row with the same prompt. */
export const templateFields = ({ tools, chat_template_kwargs: given }: TemplateFields): TemplateFields => ({
  ...(tools && { tools }),
  ...(given && { chat_template_kwargs: given }),
});
