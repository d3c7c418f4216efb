/** detectable_content: parts that a response must contain. */
import { z } from 'zod';
import { kind, pattern, type Family } from './instruction.ts';
import { count, pythonPattern, trim } from '../../ports/python.ts';

/** The two postscript markers that may be written with spaces between their letters. */
const POSTSCRIPTS: Record<string, string> = { 'P.P.S': String.raw`p\.\s?p\.\s?s`, 'P.S.': String.raw`p\.\s?s\.` };

export const content: Family = {
  'detectable_content:number_placeholders': kind(
    { num_placeholders: z.int().nonnegative() },
    (response, { num_placeholders: least }) => countPlaceholders(response) >= least,
  ),

  'detectable_content:postscript': kind({ postscript_marker: pattern }, (response, { postscript_marker }) => {
    const marker = trim(postscript_marker);
    return pythonPattern(POSTSCRIPTS[marker] ?? marker.toLowerCase(), 'u').test(response.toLowerCase());
  }),
};

/** The number of matches of `\[.*?\]`. Skips the unclosed brackets at the end of a line, so that the time is not quadratic. */
const countPlaceholders = (text: string) =>
  text.split('\n').reduce((sum, line) => sum + count(line.slice(0, line.lastIndexOf(']') + 1), /\[[^\]]*\]/gu), 0);
