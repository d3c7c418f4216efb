import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import type { Message } from '../../data/records.ts';
import { samplingSchema } from '../../engine/protocol/settings.ts';
import { seedFlags, SettingsFlags, type GivenFlags } from '../settings.ts';
import { addPolicy, policyOf, type PolicyFlags } from '../step.ts';
import { startEngine } from '../../engine/backends.ts';

const samplingFlags = new SettingsFlags(samplingSchema, { only: ['temperature', 'topP', 'topK', 'maxNewTokens'] });

/** `selm chat`: chat with a policy until an empty line or the end of the input. */
export function chatCommand(): Command {
  const command = new Command('chat').description('Chat with a policy; an empty line ends it.');
  addPolicy(command);
  for (const group of [samplingFlags, seedFlags]) group.addTo(command);
  return command.action(async (flags: PolicyFlags & GivenFlags) => {
    const settings = samplingFlags.read(flags);
    const { seed } = seedFlags.read(flags);
    const policy = await policyOf(flags);
    const engine = startEngine();
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    const conversation: Message[] = [];
    lines.setPrompt('> ');
    lines.prompt();
    try {
      for await (const line of lines) {
        if (line.trim() === '') break;
        conversation.push({ role: 'user', content: line });
        const prompts = [{ id: `turn ${conversation.length}`, prompt: conversation }];
        const { responses } = await engine.run('sample', { policy, prompts, settings, seed });
        const { text } = responses[0][0];
        conversation.push({ role: 'assistant', content: text });
        console.log(text);
        lines.prompt();
      }
    } finally {
      lines.close();
      await engine.close();
    }
  });
}
