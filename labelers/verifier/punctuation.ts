/** punctuation: marks that a response must not have. */
import { kind, type Family } from './instruction.ts';

export const punctuation: Family = {
  'punctuation:no_comma': kind({}, (response) => !response.includes(',')),
};
