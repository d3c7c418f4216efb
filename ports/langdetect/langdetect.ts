/**
 * Detects the language of a text: a port of Python's langdetect 1.0.9 (Apache-2.0; see ../README.md).
 *
 * Naive Bayes on character n-grams, which are drawn at random from the text until one language is almost certain. The result is the
 * mean of seven trials. The original uses a random seed. This port uses a fixed seed, so that the result is reproducible.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { uniformStream } from '../../data/random.ts';
import { isUpper } from '../python.ts';

const TRIALS = 7;
const SMOOTHING = 0.5;
const SMOOTHING_SPREAD = 0.05;
const BASE_FREQUENCY = 10_000;
const SURE = 0.99999;
const MAX_DRAWS = 1000;
/** If the highest probability is lower, the language is 'unknown'. */
const LEAST_PROBABILITY = 0.1;
const MAX_CHARACTERS = 10_000;

/**
 * The most probable language of a text.
 * @returns an ISO 639-1 code, "zh-cn" or "zh-tw"; 'unknown' if no language is probable; undefined for a text without n-grams of the
 *   language profiles
 */
export function detectLanguage(text: string): string | undefined {
  const { languages, frequencies } = model();
  const grams = ngrams(clean(text)).flatMap((gram) => frequencies.get(gram) ?? []);
  if (grams.length === 0) return undefined;

  const random = uniformStream('langdetect');
  const total = new Float64Array(languages.length);
  for (let trial = 0; trial < TRIALS; trial++) {
    const weight = (SMOOTHING + gaussian(random) * SMOOTHING_SPREAD) / BASE_FREQUENCY;
    const probabilities = new Float64Array(languages.length).fill(1 / languages.length);
    for (let draw = 0; ; draw++) {
      const gram = grams[Math.floor(random() * grams.length)];
      for (let i = 0; i < probabilities.length; i++) probabilities[i] *= weight + gram[i];
      if (draw % 5 === 0 && (normalize(probabilities) > SURE || draw >= MAX_DRAWS)) break;
    }
    for (let i = 0; i < total.length; i++) total[i] += probabilities[i] / TRIALS;
  }
  const best = Math.max(...total);
  return best > LEAST_PROBABILITY ? languages[total.indexOf(best)] : 'unknown';
}

/** Scales the probabilities to a sum of 1, in place. @returns the largest one */
function normalize(probabilities: Float64Array): number {
  const sum = probabilities.reduce((a, b) => a + b, 0);
  for (let i = 0; i < probabilities.length; i++) probabilities[i] /= sum;
  return Math.max(...probabilities);
}

/** The characters of a text without URLs and e-mail addresses, and without Latin letters if they are a minority. */
function clean(text: string): string[] {
  const kept = text
    .replace(/https?:\/\/[-_.?&~;+=/#0-9A-Za-z]{1,2076}/gu, ' ')
    .replace(/[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}/gu, ' ')
    // Vietnamese letters with a combining tone mark.
    .replace(/[AEIOUYaeiouyÂÊÔâêôĂăƠơƯư][\u0300\u0301\u0303\u0309\u0323]/gu, (letter) => letter.normalize('NFC'));
  const characters = [...kept].slice(0, MAX_CHARACTERS).join('').replace(/ +/gu, ' ');
  const latin = characters.match(/[A-z]/gu)?.length ?? 0;
  const other = characters.match(/(?![\u1e00-\u1eff])[\u0300-\u{10ffff}]/gu)?.length ?? 0;
  return [...(latin * 2 < other ? characters.replace(/[A-z]/gu, '') : characters)];
}

/** All n-grams of one to three characters within words, including the space before a word. Words in capitals are skipped. */
function ngrams(characters: string[]): string[] {
  const grams: string[] = [];
  let recent = [' '];
  let capitals = false;
  for (const character of characters.map(fold)) {
    const last = recent.at(-1)!;
    if (last === ' ') {
      recent = [' '];
      capitals = false;
      if (character === ' ') continue;
    } else if (recent.length === 3) {
      recent.shift();
    }
    recent.push(character);
    capitals = isUpper(character) && (isUpper(last) || capitals);
    if (capitals) continue;
    for (let n = 1; n <= recent.length; n++) {
      const gram = recent.slice(-n).join('');
      if (gram !== ' ') grams.push(gram);
    }
  }
  return grams;
}

/** The character that the language profiles use in place of this one. */
function fold(character: string): string {
  if (/[\0-\x7f]/u.test(character)) return /[A-Za-z]/u.test(character) ? character : ' ';
  if (/[\xa0\xab\xb0\xbb\u2000-\u206f]/u.test(character)) return ' ';
  if (/[\u1ea0-\u1eff]/u.test(character)) return '\u1ec3';
  if (/[\u3040-\u309f]/u.test(character)) return '\u3042';
  if (/[\u30a0-\u30ff]/u.test(character)) return '\u30a2';
  if (/[\u3100-\u312f\u31a0-\u31bf]/u.test(character)) return '\u3105';
  if (/[\uac00-\ud7af]/u.test(character)) return '\uac00';
  // Replaces Romanian letters with a comma by those with a cedilla, Farsi yeh by Arabic yeh, and kanji by their class.
  return { ș: 'ş', ț: 'ţ', '\u06cc': '\u064a' }[character] ?? model().kanji.get(character) ?? character;
}

interface Model {
  languages: string[];
  /** For each n-gram and language: its share of all n-grams with the same length. */
  frequencies: Map<string, Float64Array>;
  kanji: Map<string, string>;
}

interface Profiles {
  profiles: Record<string, { freq: Record<string, number>; n_words: number[] }>;
  kanji: string[];
}

let loaded: Model | undefined;

/** The language profiles, loaded at the first call. */
function model(): Model {
  return (loaded ??= load());
}

function load(): Model {
  const file = readFileSync(new URL('profiles.json.gz', import.meta.url));
  const { profiles, kanji } = JSON.parse(gunzipSync(file).toString()) as Profiles;
  const languages = Object.keys(profiles);
  const frequencies: Model['frequencies'] = new Map();
  for (const [language, { freq, n_words: totals }] of Object.values(profiles).entries()) {
    for (const [gram, occurrences] of Object.entries(freq)) {
      const row = frequencies.get(gram) ?? new Float64Array(languages.length);
      row[language] = occurrences / totals[[...gram].length - 1];
      frequencies.set(gram, row);
    }
  }
  return {
    languages,
    frequencies,
    kanji: new Map(kanji.flatMap((group) => [...group].map((c) => [c, [...group][0]]))),
  };
}

/** A random number of the standard normal distribution (Box and Muller). */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
