/** startend: the beginning and the end of a response. */
import { z } from 'zod';
import { kind, type Family } from './instruction.ts';
import { strip, trim } from '../../ports/python.ts';

export const startend: Family = {
  'startend:end_checker': kind({ end_phrase: z.string() }, (response, { end_phrase: phrase }) =>
    strip(trim(response), '"').toLowerCase().endsWith(trim(phrase).toLowerCase()),
  ),

  'startend:quotation': kind({}, (response) => /^".*"$/su.test(trim(response))),
};
