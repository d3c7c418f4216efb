/** detectable_format: the layout of a response. */
import { z } from 'zod';
import { jsonOf } from '../../data/json.ts';
import { kind, pattern, type Family } from './instruction.ts';
import { count, python, pythonPattern, strip, stripEnd, trim } from '../../ports/python.ts';

/**
 * Lines that begin with one asterisk or with a dash. In the reference checker, the white space before them may include line ends. That
 * finds the same number of lines, but takes quadratic time for many empty lines.
 */
const BULLETS = [python(/(?<![^\n])(?:(?!\n)\s)*\*[^*][^\n]*/gu), python(/(?<![^\n])(?:(?!\n)\s)*-[^\n]*/gu)];

const CONSTRAINED_RESPONSES = ['My answer is yes.', 'My answer is no.', 'My answer is maybe.'];

export const format: Family = {
  // Exactly `num_bullets` lines that begin with one asterisk or with a dash.
  'detectable_format:number_bullet_lists': kind(
    { num_bullets: z.int().nonnegative() },
    (response, { num_bullets: bullets }) =>
      BULLETS.reduce((sum, bullet) => sum + count(response, bullet), 0) === bullets,
  ),

  'detectable_format:constrained_response': kind({}, (response) =>
    CONSTRAINED_RESPONSES.some((option) => response.includes(option)),
  ),

  // As in the reference checker, a section in double asterisks counts twice if the pattern for single asterisks matches words in it.
  'detectable_format:number_highlighted_sections': kind(
    { num_highlights: z.int().nonnegative() },
    (response, { num_highlights: least }) => {
      const single = response.match(/\*[^\n*]*\*/gu) ?? [];
      const double = response.match(/\*\*[^\n*]*\*\*/gu) ?? [];
      return [...single, ...double].filter((section) => trim(strip(section, '*')) !== '').length >= least;
    },
  ),

  'detectable_format:multiple_sections': kind(
    { section_spliter: pattern, num_sections: z.int().nonnegative() },
    (response, { section_spliter: splitter, num_sections: least }) =>
      count(response, pythonPattern(String.raw`\s?${trim(splitter)}\s?\p{Nd}+\s?`, 'gu')) >= least,
  ),

  'detectable_format:json_format': kind({}, (response) => isJson(withoutFence(response))),

  // A text in double angle brackets that contains more than brackets.
  'detectable_format:title': kind({}, (response) =>
    response.split('\n').some((line) => {
      const title = titleIn(line);
      return trim(stripEnd(title.replace(/^<+/u, ''), '>')) !== '';
    }),
  ),
};

/** The match of `<<.+>>` in a line, in linear time. */
function titleIn(line: string): string {
  const [start, end] = [line.indexOf('<<'), line.lastIndexOf('>>')];
  return start >= 0 && end > start + 2 ? line.slice(start, end + 2) : '';
}

function withoutFence(response: string): string {
  let text = trim(response);
  for (const prefix of ['```json', '```Json', '```JSON', '```'])
    if (text.startsWith(prefix)) text = text.slice(prefix.length);
  return trim(text.endsWith('```') ? text.slice(0, -3) : text);
}

function isJson(text: string): boolean {
  // Python's parser accepts three bare words that are not JSON.
  return jsonOf(text.replace(/(?<=^|[[,: \t\n\r])(?:NaN|-?Infinity)(?=[\],} \t\n\r]|$)/gu, '0')) !== undefined;
}
