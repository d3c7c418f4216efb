import { Command, Option } from 'commander';
import { nvidiaGpus } from '../../engine/gpus.ts';
import { installEnvironment } from '../../workers/python-install.ts';
import { jsonOption, summarize } from '../step.ts';

interface Flags {
  cuda?: boolean;
  cpu?: boolean;
  json?: boolean;
}

/** `selm torch`: the Python environment of the torch backend. */
export function torchCommand(): Command {
  const torch = new Command('torch').description('The Python environment of the torch backend.');
  torch
    .command('install')
    .description(
      'Install PyTorch, transformers, PEFT and vLLM into an environment in the cache folder (SELM_CACHE), once. It needs ' +
        'Python 3.11 to 3.14 with venv. pip reads its own settings, such as PIP_EXTRA_INDEX_URL for a smaller build of PyTorch ' +
        'for the CPU.',
    )
    .option('--cuda', 'For NVIDIA GPUs, with vLLM. Default on a machine with GPUs.')
    .addOption(new Option('--cpu', 'For the CPU, without vLLM. Default on other machines.').conflicts('cuda'))
    .addOption(jsonOption())
    .action(async (flags: Flags) => {
      const kind = kindOf(flags);
      const { python, made } = await installEnvironment(`torch-${kind}`, 'selm torch install', (message) =>
        console.error(message),
      );
      summarize(
        flags,
        { kind, python, made },
        `${python} ${made ? 'is installed' : 'is already installed'} (${kind}). Check it with selm doctor.`,
      );
    });
  return torch;
}

function kindOf({ cuda, cpu }: Flags): 'cuda' | 'cpu' {
  if (cuda || cpu) return cuda ? 'cuda' : 'cpu';
  return nvidiaGpus().length > 0 ? 'cuda' : 'cpu';
}
