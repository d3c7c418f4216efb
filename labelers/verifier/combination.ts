/** combination: instructions on the response as a whole. */
import { z } from 'zod';
import { kind, type Family } from './instruction.ts';
import { trim } from '../../ports/python.ts';

export const combination: Family = {
  'combination:repeat_prompt': kind({ prompt_to_repeat: z.string().min(1) }, (response, { prompt_to_repeat: prompt }) =>
    trim(response).toLowerCase().startsWith(trim(prompt).toLowerCase()),
  ),

  // Two different responses with six asterisks between them, and at most an empty part before or after.
  'combination:two_responses': kind({}, (response) => {
    const parts = response.split('******').map(trim);
    if (parts.slice(1, -1).includes('')) return false;
    const responses = parts.filter((part) => part !== '');
    return responses.length === 2 && responses[0] !== responses[1];
  }),
};
