"""IFBench (arXiv 2507.02833) by its authors' package, `pip install git+https://github.com/allenai/IFBench`.

`run_ifbench.py prompts` writes the prompts as JSON strings, one a line. `run_ifbench.py check` reads a response to each, written likewise, and writes
1 for each that follows all instructions of its prompt, and 0 for the others: the loose accuracy that the authors report.
"""

import json
import sys

import ifbench
from ifbench.instructions_registry import INSTRUCTION_DICT


def read_examples():
    with open(ifbench.data_path(), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def variants(response):
    """The forms of a response of which one has to pass, as in the authors' evaluation_lib.py."""
    lines = response.split("\n")
    cuts = [lines, lines[1:], lines[:-1], lines[1:-1]]
    texts = [response] + ["\n".join(cut).strip() for cut in cuts[1:]]
    return texts + [text.replace("*", "") for text in texts]


def follows(instruction_id, kwargs, prompt, response):
    instruction = INSTRUCTION_DICT[instruction_id](instruction_id)
    instruction.build_description(**{name: value for name, value in kwargs.items() if value is not None})
    arguments = instruction.get_instruction_args()
    if arguments and "prompt" in arguments:
        instruction.build_description(prompt=prompt)
    return any(text.strip() and instruction.check_following(text) for text in variants(response))


def main(mode):
    examples = read_examples()
    if mode == "prompts":
        for example in examples:
            print(json.dumps(example["prompt"]))
        return
    responses = [json.loads(line) for line in sys.stdin]
    for example, response in zip(examples, responses, strict=True):
        instructions = zip(example["instruction_id_list"], example["kwargs"], strict=True)
        passes = all(follows(name, kwargs, example["prompt"], response) for name, kwargs in instructions)
        print(int(passes))


main(*sys.argv[1:])
