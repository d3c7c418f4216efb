/**
 * The date that chat templates get: always the same, so that a prompt has the same tokens on every day. It is the one that Llama 3's
 * templates have as their default.
 */

/** As `date_string`, a variable of Llama 3's templates. */
export const DATE = '26 Jul 2024';

/** What Python's strftime writes for each directive at midnight of that Friday, in the C locale and UTC. */
const DIRECTIVES: Record<string, string> = {
  a: 'Fri',
  A: 'Friday',
  u: '5',
  w: '5',
  d: '26',
  e: '26',
  j: '208',
  U: '29',
  V: '30',
  W: '30',
  b: 'Jul',
  B: 'July',
  h: 'Jul',
  m: '07',
  y: '24',
  Y: '2024',
  g: '24',
  G: '2024',
  C: '20',
  H: '00',
  k: ' 0',
  I: '12',
  l: '12',
  M: '00',
  S: '00',
  f: '000000',
  p: 'AM',
  P: 'am',
  s: '1721952000',
  c: 'Fri Jul 26 00:00:00 2024',
  x: '07/26/24',
  X: '00:00:00',
  D: '07/26/24',
  F: '2024-07-26',
  R: '00:00',
  T: '00:00:00',
  r: '12:00:00 AM',
  z: '',
  Z: '',
  n: '\n',
  t: '\t',
  '%': '%',
};

/** What the flags of the C library do to a directive's text. */
const FLAGS: Record<string, (text: string) => string> = {
  '-': (text) => text.replace(/^[0 ]+(?=\d)/, ''),
  _: (text) => text.replace(/^0+(?=\d)/, (zeros) => ' '.repeat(zeros.length)),
  '0': (text) => text.replace(/^ +(?=\d)/, (spaces) => '0'.repeat(spaces.length)),
  '^': (text) => text.toUpperCase(),
};

/** Python's strftime, of the fixed date: the templates' `strftime_now`. Unknown directives are kept, as the C library does. */
export const strftimeNow = (format: string): string =>
  format.replaceAll(/%([-_0^]?)([A-Za-z%])/g, (all, flag: string, directive: string) => {
    const text = DIRECTIVES[directive];
    if (text === undefined) return all;
    return flag === '' ? text : FLAGS[flag](text);
  });
