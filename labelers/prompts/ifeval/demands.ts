/** Whether the demands of a prompt's instructions can be met by one natural response. */
import { sum } from '../../../data/numbers.ts';
import type { Demands } from './kind.ts';

/** Whether one response can meet all demands. */
export function canBeMet(demands: Demands[]): boolean {
  const contained = demands.flatMap(({ contains = [] }) => contains);
  const least = sum(demands.map(({ words }) => words?.least ?? 0)) + contained.length;
  const text = contained.join('\n').toLowerCase();
  return demands.every(
    ({ words, avoids = [], fewer, capitalsBelow, noComma }) =>
      (words?.below === undefined || least < words.below) &&
      avoids.every((word) => !contained.some((part) => overlaps(word, part.toLowerCase()))) &&
      (fewer === undefined || occurrences(text, fewer.text) < fewer.below) &&
      (capitalsBelow === undefined || capitals(contained) < capitalsBelow) &&
      (!noComma || !text.includes(',')),
  );
}

/** Whether a text contains a word, or the word the text: "plan" and "plants" are not drawn for opposite instructions. */
const overlaps = (word: string, text: string) => text.includes(word) || word.includes(text);

const occurrences = (text: string, part: string) => text.split(part).length - 1;

const capitals = (texts: string[]) => texts.filter((text) => text === text.toUpperCase()).length;
