/** punctuation: marks that a response must not contain. */
import { kind, type Family } from './instruction.ts';

export const punctuation: Family = {
  'punctuation:no_comma': kind({}, (response) => !response.includes(',')),
};
