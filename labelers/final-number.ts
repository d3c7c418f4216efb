/** The number that is the answer of a text, read as the graders of GSM8K and MATH do. */

/** An exact number: numerator / denominator. */
export interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

const MARK = '####';
const BOX = '\\boxed{';

const DIGITS = String.raw`(?:\d[\d,]*(?:\.\d+)?|\.\d+)`;
/**
 * Matches a number, a fraction or a mixed number (the first group is its whole part, the second one the rest). A hyphen directly after a
 * digit, a letter or a closing bracket is not a sign: it is a hyphen between words or a minus between numbers. Chinese and Japanese
 * letters are excepted, because these languages write no space before a sign.
 */
const NUMBER = new RegExp(
  String.raw`(?:(?<!(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}])[\p{L}\p{N}%°)\]]|\p{N}\p{Sc})-)?\p{Sc}?` +
    String.raw`(\d+ (?=\d+ ?/ ?\d))?(${DIGITS}(?: ?/ ?-?${DIGITS})*)`,
  'gu',
);

const GROUPED = String.raw`(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)`;
/** Matches a text that is a number and nothing else, but a sign of a currency or per cent, a full stop, or a unit in words. */
const ONLY_NUMBER = new RegExp(
  String.raw`^(?:[-+]?\p{Sc}?|\p{Sc}[-+])(?:\d+ \d+ ?/ ?\d+|${GROUPED}(?: ?/ ?-?${GROUPED})?) ?[\p{Sc}%°]?(?: \p{L}{2,}(?: \p{L}+)*)?\.?$`,
  'u',
);

/** Replaces non-ASCII digits, signs and separators (of other scripts and of typesetting) with ASCII. */
const toAscii = (text: string): string =>
  text
    .replace(/(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])/g, ' ')
    .replace(/[\u00bc-\u00be\u2150-\u215e]/g, (fraction) => fraction.normalize('NFKC'))
    .replace(/(?!\d)\p{Nd}/gu, asciiDigit)
    .replace(/[\u2010-\u2013\u2212\ufe63\uff0d]/g, '-')
    .replace(/[\u2044\u2215\uff0f]/g, '/')
    .replace(/[\u066b\uff0e]/g, '.')
    .replace(/(?<=\d)[\u00a0\u066c\u2009\u202f\uff0c](?=\d{3}(?!\d))/g, ',');

/** The ASCII form of a decimal digit. In Unicode, the digits of a script are contiguous, from 0 to 9. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0)!;
  let zero = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return String((code - zero) % 10);
}

const TERM = String.raw`(?:\{ *(-?${DIGITS}) *\}|(\d))`;
const FRAC = new RegExp(String.raw`(\d ?)?\\+[dtc]?frac *${TERM} *${TERM}`, 'g');

/** Replaces the LaTeX of numbers, such as `\frac{1}{2}` and `70{,}000`, with plain text. */
const withoutLatex = (text: string): string =>
  text
    .replace(/(?<=\d)(?:\{,\}|,?\\[,!:; ])(?=\d{3}(?!\d))/g, ',')
    .replace(/\\([$%])/g, '$1')
    .replace(FRAC, (_, whole: string | undefined, a?: string, b?: string, c?: string, d?: string) => {
      const before = whole === undefined ? '' : `${whole.trim()} `;
      return `${before}${a ?? b}/${c ?? d}`;
    });

/** The content of the last `\boxed{}`. Undefined without one that is closed. */
function lastBox(text: string): string | undefined {
  const found = text.lastIndexOf(BOX);
  if (found < 0) return undefined;
  const start = found + BOX.length;
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return text.slice(start, at);
  }
  return undefined;
}

const UNIT = String.raw`(?:(?:\\[,:; ]|~| )*(?:\^ *\{? *\\circ *\}?|\\(?:text|mathrm|mbox)\{[^{}\d]*\}(?:\^\{?[23]\}?)?))+`;
const UNITS_AROUND = new RegExp(String.raw`^${UNIT}|${UNIT}(?=\.? *$)`, 'g');

/**
 * A box without the parts around its number that MATH's graders remove: `x =`, degrees, and units in `\text{}`. Between two numbers
 * they stay, so that `5\text{ or }7` does not become 57.
 */
const withoutUnits = (box: string): string =>
  box
    .replace(UNITS_AROUND, '')
    .replace(/\\(?:text|mathrm|mbox|textbf|mathbf)\{([^{}]*)\}/g, '$1')
    .replace(/^ *\p{L} *=/u, '')
    .trim();

/**
 * The number after the last `####` that a number follows, or in the last `\boxed{}` if that comes later; without either: the last number
 * of the text.
 * @param marked only the number after `####`
 * @returns undefined without a number, or if the box has something else than a number
 */
export function finalNumber(text: string, marked: boolean): Fraction | undefined {
  const parts = text.split(MARK);
  const at = parts.findLastIndex((part, i) => i > 0 && numberAtStart(part));
  const box = marked ? undefined : lastBox(at < 0 ? text : parts.slice(at).join(MARK));
  if (box !== undefined) return onlyNumber(withoutUnits(box));
  if (at > 0) return valueOf(numberAtStart(parts[at]));
  return marked ? undefined : valueOf(numbersIn(text).at(-1));
}

/**
 * The number that a text begins with, after signs and white space at most. As in the grader of GSM8K, words before it make it another
 * number: in "#### Step 3: add", which is a Markdown heading, 3 is not the answer.
 */
function numberAtStart(text: string): RegExpExecArray | undefined {
  const [first] = numbersIn(text);
  return first && !/[\p{L}\p{N}]/u.test(plain(text).slice(0, first.index)) ? first : undefined;
}

/**
 * The number that a reference answer is.
 * @param text a number, or a text with a number, and nothing else, after `####` or in `\boxed{}`
 * @returns undefined for any other text: of "2\sqrt{3}", one of the numbers would count, and a right response would be wrong
 */
export function referenceNumber(text: string): Fraction | undefined {
  const at = text.lastIndexOf(MARK);
  const box = at < 0 ? lastBox(text) : undefined;
  return onlyNumber(at < 0 ? withoutUnits(box ?? text) : text.slice(at + MARK.length));
}

const plain = (text: string): string => toAscii(withoutLatex(text));

const numbersIn = (text: string): RegExpExecArray[] => [...plain(text).matchAll(NUMBER)];

/** @returns undefined if there is something else in the text */
function onlyNumber(text: string): Fraction | undefined {
  if (!ONLY_NUMBER.test(plain(text).trim())) return undefined;
  const [match] = numbersIn(text);
  const [, whole, rest] = match ?? [];
  // Of "2 3/2", valueOf() reads 3/2.
  if (whole !== undefined && !isProper(rest)) return undefined;
  return valueOf(match);
}

/** @param match of NUMBER */
function valueOf(match: RegExpExecArray | undefined): Fraction | undefined {
  if (!match) return undefined;
  const [number, whole, rest] = match;
  const value = fractionOf(rest, whole);
  return number.startsWith('-') && value ? { ...value, numerator: -value.numerator } : value;
}

/** @param text a number without its sign, or numbers with `/` between them. @param whole part of a mixed number */
function fractionOf(text: string, whole?: string): Fraction | undefined {
  const terms = text.split('/').map(decimal);
  const last = terms.at(-1)!;
  // A date such as 3/4/2026 is not a fraction.
  if (terms.length !== 2) return last;
  const [over, under] = terms;
  const numerator = over.numerator * under.denominator;
  const denominator = over.denominator * under.numerator;
  if (denominator === 0n) return undefined;
  const isMixed = whole !== undefined && isProper(text);
  return { numerator: numerator + (isMixed ? BigInt(whole.trim()) * denominator : 0n), denominator };
}

/** Whether a fraction is less than 1. */
function isProper(text: string): boolean {
  const [over, under] = text.split('/').map(decimal);
  return over.numerator * under.denominator < under.numerator * over.denominator;
}

function decimal(text: string): Fraction {
  const [integer, part = ''] = text.replace(/[^\d.]/g, '').split('.');
  const digits = BigInt(`${integer}${part}`);
  return { numerator: text.trim().startsWith('-') ? -digits : digits, denominator: 10n ** BigInt(part.length) };
}

/** Whether two numbers are equal, as 1/2 and 0.50 are. */
export const isEqual = (a: Fraction, b: Fraction): boolean =>
  a.numerator * b.denominator === b.numerator * a.denominator;
