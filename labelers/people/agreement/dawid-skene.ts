/**
 * The model of Dawid and Skene: each person has own error rates, which the agreement of people shows. It is fitted by expectation
 * maximization, as crowd-kit's DawidSkene does it.
 *
 *   E:  P(z_q = c | votes)  is proportional to  p_c prod_{votes (w, k) of q} e_w(k | c)
 *   M:  p_c = mean_q P(z_q = c),   e_w(k | c)  is proportional to  sum_{votes (q, k) of w} P(z_q = c)
 *
 * z_q is the true class of question q, and e_w(k | c) is the probability that person w answers k if c is true. The first P are the
 * shares of votes. Source: A. P. Dawid and A. M. Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm,
 * Journal of the Royal Statistical Society C 28 (1979), https://doi.org/10.2307/2346806.
 */
import { sum } from '../../../data/numbers.ts';
import { majority, type ClassVote, type Distribution } from './majority.ts';

/** Probabilities below this count as this (crowd-kit's constant). */
const SMALLEST = 1e-10;
/** crowd-kit's defaults: `n_iter`, and `tol` for the growth of the evidence lower bound per vote. */
const ITERATIONS = 100;
const TOLERANCE = 1e-5;

/** The fitted model. */
export interface DawidSkene<Class extends string = string> {
  /** P(z_q = c | votes), by question. Only classes that have votes. */
  posterior: Map<string, Distribution<Class>>;
  /**
   * `errorRates.get(person)![given]![true]`: how probable the person's answer `given` is for a question of class `true`. Only classes
   * that the person has given: those sum to 1 for each true class.
   */
  errorRates: Map<string, Partial<Record<Class, Distribution<Class>>>>;
}

/** Fits the model. At most one vote of a person per question. */
export function dawidSkene<Class extends string>(votes: ClassVote<Class>[]): DawidSkene<Class> {
  const classes = [...new Set(votes.map((vote) => vote.class))].sort();
  const [questions, people] = [numbered(votes, 'question'), numbered(votes, 'person')];
  const given: Vote[] = votes.map((vote) => ({
    question: questions.get(vote.question)!,
    person: people.get(vote.person)!,
    class: classes.indexOf(vote.class),
  }));
  const shares = majority(votes);
  let posterior = [...questions.keys()].map((question) => classes.map((name) => shares.get(question)![name] ?? 0));
  let { priors, errors } = maximization(given, posterior, people.size);
  let bound = -Infinity;
  for (let i = 0; i < ITERATIONS; i++) {
    posterior = expectation(given, priors, errors, posterior.length);
    ({ priors, errors } = maximization(given, posterior, people.size));
    const next = evidenceLowerBound(given, posterior, priors, errors) / given.length;
    if (next - bound < TOLERANCE) break;
    bound = next;
  }
  const named = <T>(values: T[]) => Object.fromEntries(classes.map((name, c) => [name, values[c]]));
  return {
    posterior: new Map([...questions].map(([question, q]) => [question, named(posterior[q]) as Distribution<Class>])),
    errorRates: new Map(
      [...people].map(([person, w]) => [
        person,
        Object.fromEntries(
          classes.flatMap((name, k) => (errors[w][k] ? [[name, named(errors[w][k])]] : [])),
        ) as Partial<Record<Class, Distribution<Class>>>,
      ]),
    ),
  };
}

/** A vote by indices. */
interface Vote {
  question: number;
  person: number;
  class: number;
}

/** `errors[person][given][true]`; undefined for a class that the person has not given. */
type Errors = (number[] | undefined)[][];

function numbered<Key extends 'question' | 'person'>(votes: ClassVote[], key: Key): Map<string, number> {
  return new Map([...new Set(votes.map((vote) => vote[key]))].map((name, i) => [name, i]));
}

function expectation(votes: Vote[], priors: number[], errors: Errors, questions: number): number[][] {
  const logs = Array.from({ length: questions }, () => priors.map((prior) => Math.log(clip(prior))));
  for (const { question, person, class: given } of votes) {
    errors[person][given]!.forEach((rate, c) => (logs[question][c] += Math.log(rate)));
  }
  return logs.map((row) => {
    // Relative to the largest, because a product of many probabilities is 0 in floating point.
    const largest = Math.max(...row);
    return normalized(row.map((log) => Math.exp(log - largest)));
  });
}

function maximization(votes: Vote[], posterior: number[][], people: number): { priors: number[]; errors: Errors } {
  const classes = [...(posterior[0] ?? []).keys()];
  const priors = classes.map((c) => posterior.reduce((sum, row) => sum + row[c], 0) / posterior.length);
  const errors: Errors = Array.from({ length: people }, () => classes.map(() => undefined));
  for (const { question, person, class: given } of votes) {
    const row = (errors[person][given] ??= classes.map(() => 0));
    classes.forEach((c) => (row[c] += posterior[question][c]));
  }
  for (const rows of errors) {
    const own = rows.filter((row) => row !== undefined);
    for (const c of classes) {
      const rates = normalized(own.map((row) => clip(row[c])));
      own.forEach((row, k) => (row[c] = rates[k]));
    }
  }
  return { priors, errors };
}

/**
 * The evidence lower bound as crowd-kit computes it, which decides when to stop: it adds the prior once for each vote, not once for
 * each question.
 */
function evidenceLowerBound(votes: Vote[], posterior: number[][], priors: number[], errors: Errors): number {
  let bound = 0;
  for (const { question, person, class: given } of votes) {
    errors[person][given]!.forEach(
      (rate, c) => (bound += posterior[question][c] * (Math.log(rate) + Math.log(clip(priors[c])))),
    );
  }
  for (const p of posterior.flat()) bound -= clip(p) * Math.log(clip(p));
  return bound;
}

const clip = (probability: number) => Math.max(probability, SMALLEST);

function normalized(values: number[]): number[] {
  const total = sum(values);
  return values.map((value) => value / total);
}
