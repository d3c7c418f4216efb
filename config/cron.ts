/** Cron expressions, checked as Temporal's server does (temporalio/temporal, service/worker/scheduler/calendar.go). */

interface Field {
  name: string;
  first: number;
  last: number;
  /** Names of the values, which at least `letters` letters abbreviate. */
  names?: string;
  letters?: number;
}

const MONTHS = 'january february march april may june july august september october november december';
const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday';

/** Of an expression with seven fields. Six fields are those without the second, five also without the year. */
const FIELDS: Field[] = [
  { name: 'second', first: 0, last: 59 },
  { name: 'minute', first: 0, last: 59 },
  { name: 'hour', first: 0, last: 23 },
  { name: 'day of the month', first: 1, last: 31 },
  { name: 'month', first: 1, last: 12, names: MONTHS, letters: 3 },
  { name: 'day of the week', first: 0, last: 7, names: WEEKDAYS, letters: 2 },
  { name: 'year', first: 2000, last: 2100 },
];

const PREDEFINED = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;

/**
 * What is wrong with a cron expression; undefined if Temporal accepts it.
 * @param timezone of the schedule, which a time zone in the expression must not contradict
 * @returns a sentence that goes on after the expression
 */
export function cronProblem(cron: string, timezone: string): string | undefined {
  const [, zone, calendar] = /^(?:(?:CRON_)?TZ=(\S*) )?(.*)$/s.exec(cron.trim())!;
  if (zone && zone !== timezone) return `has a time zone besides timezone: ${timezone}; give it as timezone only.`;
  // The rest is a comment.
  const text = calendar.split('#')[0].trim();
  if (text.startsWith('@every')) return intervalProblem(text);
  if (PREDEFINED.test(text)) return undefined;
  const values = text.split(/\s+/);
  if (values.length < 5 || values.length > 7)
    return 'does not have five fields; give a cron expression such as 0 3 * * 1.';
  const fields = values.length === 7 ? FIELDS : FIELDS.slice(1);
  return values.map((value, index) => fieldProblem(value, fields[index])).find((problem) => problem !== undefined);
}

/** What is wrong with a field, a list of values, ranges and steps. */
function fieldProblem(text: string, field: Field): string | undefined {
  if (text.split(',').every((part) => isRange(part, field))) return undefined;
  const { name, first, last } = field;
  return `has "${text}" as the ${name}; give values from ${first} to ${last}, or ranges and steps of them.`;
}

/** Whether a text is `*`, a value or a range, with or without a step. */
function isRange(text: string, field: Field): boolean {
  const [range, step = '1', ...more] = text.split('/');
  if (more.length > 0 || !(integer(step) >= 1)) return false;
  if (range === '*') return true;
  const [first, last = first, ...others] = range.split('-').map((value) => valueOf(value, field));
  return others.length === 0 && first >= field.first && last >= first && last <= field.last;
}

/** The number of a value or of its name; NaN if it is neither. */
function valueOf(text: string, { first, names = '', letters = 0 }: Field): number {
  const index = names.split(' ').findIndex((name) => text.length >= letters && name.startsWith(text.toLowerCase()));
  return names !== '' && index >= 0 ? first + index : integer(text);
}

const integer = (text: string) => (/^\+?\d+$/.test(text) ? Number(text) : NaN);

const DURATION = String.raw`(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d))+)`;
const INTERVAL = new RegExp(`^@every (${DURATION})(?:/(${DURATION}))?$`);
const SECONDS: Record<string, number> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
};

/** What is wrong with `@every INTERVAL/OFFSET`. */
function intervalProblem(text: string): string | undefined {
  const [, interval = '0', offset = '0'] = INTERVAL.exec(text) ?? [];
  return secondsOf(interval) >= 1 && secondsOf(offset) < secondsOf(interval)
    ? undefined
    : 'is no interval of at least a second with a smaller offset; give one such as @every 12h/3h.';
}

const secondsOf = (duration: string) =>
  [...duration.matchAll(/([\d.]+)([a-zµμ]+)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * SECONDS[unit],
    0,
  );
