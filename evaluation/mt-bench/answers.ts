/** Answers MT-Bench's questions as FastChat's gen_model_answer does: turn by turn, at the temperature of the category. */
import { hashValue } from '../../artifacts/hash.ts';
import { messageText } from '../../data/conversation.ts';
import { InputError, located } from '../../data/errors.ts';
import type { Question, QuestionAnswer } from './files.ts';
import type { Message } from '../../data/records.ts';
import type { Engine, Policy } from '../../engine/protocol/jobs.ts';
import { checkSequenceLength } from '../../engine/model-files/config.ts';
import { openLlamaPolicy } from '../../engine/tokens/policy.ts';
import type { SamplingSettings } from '../../engine/protocol/settings.ts';
import { policyHash } from '../../engine/model-files/fingerprint.ts';

/** By category: FastChat's `temperature_config`. */
const TEMPERATURES: Record<string, number> = {
  writing: 0.7,
  roleplay: 0.7,
  extraction: 0,
  math: 0,
  coding: 0,
  reasoning: 0,
  stem: 0.1,
  humanities: 0.1,
};
/** The temperature for all other categories. */
const OTHER_TEMPERATURE = 0.7;

/** The sampling temperature for a question. */
export const temperatureOf = ({ category }: Question): number => TEMPERATURES[category] ?? OTHER_TEMPERATURE;

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
    const conversations = await converse(engine, policy, batch, settings, seed);
    for (const [i, question] of batch.entries()) {
      const { question_id } = question;
      const turns = conversations[i].filter(({ role }) => role === 'assistant').map(messageText);
      answers.set(question_id, {
        question_id,
        answer_id: identify(question),
        model_id: model,
        choices: [{ index: 0, turns }],
      });
    }
    await save([...answers.values()].sort((a, b) => a.question_id - b.question_id));
  }
  return answers;
}

/** Checks that all turns fit into the model's context. The last turn's prompt includes all earlier answers. */
function checkRoom(policy: Policy, questions: Question[], maxNewTokens: number): void {
  const { model, tokenizer } = openLlamaPolicy(policy);
  for (const { question_id, turns } of questions) {
    located(`Question ${question_id}`, () => {
      const conversation = turns.flatMap((turn, i) => [
        ...(i > 0 ? [message('assistant', '')] : []),
        message('user', turn),
      ]);
      checkSequenceLength(model.config, tokenizer().encodePrompt(conversation).length + turns.length * maxNewTokens);
    });
  }
}

/** Batches of questions with the same temperature. */
function batchesOf(questions: Question[], batchSize: number): Question[][] {
  const temperatures = [...new Set(questions.map(temperatureOf))];
  return temperatures.flatMap((temperature) => {
    const alike = questions.filter((question) => temperatureOf(question) === temperature);
    const batches = Math.ceil(alike.length / batchSize);
    return Array.from({ length: batches }, (_, i) => alike.slice(i * batchSize, (i + 1) * batchSize));
  });
}

/** Samples the conversations of questions with the same temperature. Each turn's prompt includes the answers to earlier turns. */
async function converse(
  engine: Engine,
  policy: Policy,
  questions: Question[],
  { maxNewTokens, batchSize }: AnswerOptions['settings'],
  seed: number,
): Promise<Message[][]> {
  const conversations: Message[][] = questions.map(() => []);
  const settings: SamplingSettings = {
    samplesPerPrompt: 1,
    temperature: temperatureOf(questions[0]),
    topP: 1,
    topK: 0,
    maxNewTokens,
    batchSize,
    weights: 'f32',
  };
  for (let turn = 0; turn < Math.max(...questions.map(({ turns }) => turns.length)); turn++) {
    const open = questions.flatMap(({ turns }, i) => (turn < turns.length ? [i] : []));
    for (const i of open) conversations[i].push(message('user', questions[i].turns[turn]));
    const prompts = open.map((i) => ({
      id: `question ${questions[i].question_id}, turn ${turn + 1}`,
      prompt: conversations[i],
    }));
    const { responses } = await engine.run('sample', { policy, prompts, settings, seed });
    for (const [index, i] of open.entries())
      conversations[i].push(message('assistant', responses[index][0].text.trim()));
  }
  return conversations;
}

const message = (role: 'user' | 'assistant', content: string): Message => ({ role, content });
