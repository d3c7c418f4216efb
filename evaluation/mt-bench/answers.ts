/** Answers MT-Bench's questions as FastChat's gen_model_answer does: turn by turn, at the temperature of the category. */
import { hashValue } from '../../artifacts/hash.ts';
import { InputError, located } from '../../data/errors.ts';
import type { Question, QuestionAnswer } from './files.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { checkSequenceLength } from '../../engine/model-files/config.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import { policyHash } from '../../engine/model-files/fingerprint.ts';
import { benchmarkSampling } from '../benchmarks/sampling.ts';
import { answerIn, byTemperature, promptOfTurn, temperatureOf } from './turns.ts';

interface AnswerOptions {
  /** The model's name in the answers. */
  model: string;
  settings: Pick<SamplingSettings, 'maxNewTokens' | 'batchSize'>;
  seed: number;
  /** Answers from an earlier run, which are reused. */
  known: Map<number, QuestionAnswer>;
  /** Called with all answers so far, ordered by question, after each batch. */
  save: (answers: QuestionAnswer[]) => Promise<void>;
}

/**
 * Computes the policy's answers to all turns of all questions, and saves them after each batch of questions.
 * @returns the answers by question id
 * @throws InputError when a question with its answers exceeds the model's context, or a known answer has other settings
 */
export async function answerQuestions(
  engine: Engine,
  policy: Policy,
  questions: Question[],
  { model, settings, seed, known, save }: AnswerOptions,
): Promise<Map<number, QuestionAnswer>> {
  checkRoom(policy, questions, settings.maxNewTokens);
  const hash = await policyHash(policy);
  const identify = (question: Question) =>
    hashValue([hash, question, temperatureOf(question), settings.maxNewTokens, seed]).slice(0, 32);
  const answers = new Map(known);
  for (const question of questions) {
    const answer = known.get(question.question_id);
    if (answer && answer.answer_id !== identify(question)) {
      throw new InputError(
        `The answer to question ${question.question_id} in the file is of another policy or has other settings; ` +
          'give a new file for the answers.',
      );
    }
  }
  for (const batch of batchesOf(questions, settings.batchSize)) {
    // Batches do not depend on the known answers, so an interrupted run gives the same answers as an uninterrupted one.
    if (batch.every(({ question_id }) => answers.has(question_id))) continue;
    const turnsOf = await converse(engine, policy, batch, settings, seed);
    for (const [i, question] of batch.entries()) {
      const { question_id } = question;
      answers.set(question_id, {
        question_id,
        answer_id: identify(question),
        model_id: model,
        choices: [{ index: 0, turns: turnsOf[i] }],
      });
    }
    await save([...answers.values()].sort((a, b) => a.question_id - b.question_id));
  }
  return answers;
}

/** Checks that all turns fit into the model's context. The last turn's prompt includes all earlier answers. */
function checkRoom(policy: Policy, questions: Question[], maxNewTokens: number): void {
  const { model, tokenizer } = openLlamaPolicy(policy);
  for (const question of questions) {
    const { question_id, turns } = question;
    located(`Question ${question_id}`, () => {
      const { prompt } = promptOfTurn(
        question,
        turns.length - 1,
        turns.map(() => ''),
      );
      checkSequenceLength(model.config, tokenizer().encodePrompt(prompt).length + turns.length * maxNewTokens);
    });
  }
}

/** Batches of questions with the same temperature. */
const batchesOf = (questions: Question[], batchSize: number): Question[][] =>
  byTemperature(questions).flatMap(({ questions: alike }) => {
    const batches = Math.ceil(alike.length / batchSize);
    return Array.from({ length: batches }, (_, i) => alike.slice(i * batchSize, (i + 1) * batchSize));
  });

/** Samples the answers to all turns of questions with the same temperature. */
async function converse(
  engine: Engine,
  policy: Policy,
  questions: Question[],
  { maxNewTokens, batchSize }: AnswerOptions['settings'],
  seed: number,
): Promise<string[][]> {
  const answers: string[][] = questions.map(() => []);
  const settings = benchmarkSampling({ temperature: temperatureOf(questions[0]), maxNewTokens, batchSize });
  for (let turn = 0; turn < Math.max(...questions.map(({ turns }) => turns.length)); turn++) {
    const open = questions.flatMap(({ turns }, i) => (turn < turns.length ? [i] : []));
    const prompts = open.map((i) => promptOfTurn(questions[i], turn, answers[i]));
    const { responses } = await engine.run('sample', { policy, prompts, settings, seed });
    for (const [index, i] of open.entries()) answers[i].push(answerIn(responses[index][0]));
  }
  return answers;
}
