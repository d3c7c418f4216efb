/** JSON exports of Label Studio: answers of the tags Pairwise and Choices. */
import { z } from 'zod';
import type { Row } from '../../../data/row.ts';
import {
  choiceOf,
  fieldNames,
  importRows,
  Unreadable,
  type FieldNames,
  type Imported,
  type ImportedAnswer,
  type ImportSettings,
  type Source,
  type Unread,
} from './imported.ts';
import { numbered } from './unnamed.ts';

const resultSchema = z.looseObject({
  type: z.string(),
  from_name: z.string().optional(),
  to_name: z.string().optional(),
  value: z.looseObject({ selected: z.string().nullish(), choices: z.array(z.string()).nullish() }),
});
const personSchema = z.union([
  z.number(),
  z.string(),
  z.looseObject({ email: z.string().nullish(), username: z.string().nullish(), id: z.number().nullish() }),
]);
const taskSchema = z.looseObject({
  id: z.union([z.number(), z.string()]).nullish(),
  data: z.record(z.string(), z.unknown()),
  annotations: z.array(
    z.looseObject({
      completed_by: personSchema.nullish(),
      result: z.array(z.unknown()),
      was_cancelled: z.boolean().nullish(),
      lead_time: z.number().nonnegative().nullish(),
      created_at: z.string().nullish(),
    }),
  ),
});
type GivenAnnotation = z.infer<typeof taskSchema>['annotations'][number];
/** With the name of whoever made it. */
type Annotation = GivenAnnotation & { person: string };

/** @throws InputError when fields of the file cannot be found */
export function importLabelStudio(file: string, rows: Row[], settings: ImportSettings): Imported {
  const unread: Unread[] = [];
  const tasks = rows.flatMap(({ where, fields }, i): Source<Annotation>[] => {
    const task = taskSchema.safeParse(fields);
    if (!task.success) {
      unread.push({ where, reason: 'is no task with "data" and "annotations" (export as JSON, not JSON-MIN)' });
      return [];
    }
    const { id, data, annotations } = task.data;
    const people = numbered(annotations.map(nameOf));
    const answers = annotations.map((annotation, j) => ({ ...annotation, person: people[j] }));
    return [{ where, id: String(id ?? `row-${i + 1}`), fields: data, answers }];
  });
  if (tasks.length === 0) return { rows: [], unread };
  const all = [...new Set(tasks.flatMap(({ fields }) => Object.keys(fields)))];
  const names = fieldNames(file, all, settings, shownIn(tasks, all, settings));
  const imported = importRows(
    tasks,
    names,
    (annotation) => answerOf(annotation, names, settings),
    ({ person }) => person,
  );
  return { rows: imported.rows, unread: [...unread, ...imported.unread] };
}

const resultsOf = ({ result }: Annotation, { question }: ImportSettings) =>
  result.flatMap((one) => {
    const parsed = resultSchema.safeParse(one);
    if (!parsed.success || !['pairwise', 'choices'].includes(parsed.data.type)) return [];
    return question === undefined || question.includes(parsed.data.from_name ?? '') ? [parsed.data] : [];
  });

/** The two responses that a Pairwise tag compares, left and right, if its tags are named like their fields. */
function shownIn(
  tasks: Source<Annotation>[],
  fields: string[],
  settings: ImportSettings,
): [string, string] | undefined {
  for (const annotation of tasks.flatMap(({ answers }) => answers)) {
    for (const { type, to_name: shown = '' } of resultsOf(annotation, settings)) {
      const [left, right, ...more] = shown.split(',').map((name) => name.trim());
      if (type === 'pairwise' && more.length === 0 && fields.includes(left) && fields.includes(right))
        return [left, right];
    }
  }
  return undefined;
}

function nameOf({ completed_by: by }: GivenAnnotation): string | undefined {
  if (by === null || by === undefined) return undefined;
  const name = typeof by === 'object' ? (by.email ?? by.username ?? by.id) : by;
  return name === undefined || name === null ? undefined : String(name);
}

function answerOf(annotation: Annotation, { responses }: FieldNames, settings: ImportSettings): ImportedAnswer {
  const { was_cancelled: skipped, lead_time: seconds, created_at: at } = annotation;
  const given = { person: annotation.person, ...(at && { at }) };
  if (skipped) return { ...given, skip: 'other' };
  const results = resultsOf(annotation, settings);
  if (results.length === 0) throw new Unreadable('has no answer of a Pairwise or Choices tag');
  if (results.length > 1) {
    const tags = results.map(({ from_name: name }) => name ?? '?').join(', ');
    throw new Unreadable(`has answers of several tags (${tags}); name one by --question`);
  }
  const [{ type, to_name: shown = '', value }] = results;
  const timed = seconds !== null && seconds !== undefined && { seconds };
  if (type === 'choices') {
    const choices = value.choices ?? [];
    return {
      ...given,
      ...timed,
      choice: choiceOf(choices.length === 1 ? choices[0] : choices, responses, settings.values),
    };
  }
  const isLeft = value.selected === 'left';
  if (!isLeft && value.selected !== 'right') throw new Unreadable('selects neither left nor right');
  // The tags may compare the responses in another order than --responses names them.
  const left = shown.split(',')[0].trim() === responses[1] ? 1 : 0;
  return { ...given, ...timed, left, choice: isLeft ? left : left === 0 ? 1 : 0 };
}
