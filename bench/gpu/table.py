"""Prints the results of bench/gpu/run.sh as JSON, and as a Markdown table for docs/gpu.md."""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
results = json.loads((folder / "measure.json").read_text()) if (folder / "measure.json").exists() else {"cases": []}
results["parts"] = dict(line.split(" ", 1) for line in (folder / "parts").read_text().splitlines())
print(json.dumps(results))
print(f"\n{results.get('device', 'not measured')}, {results.get('ranks', 0)} ranks, torch {results.get('torch', '')}\n")
print("| training | tokens/s | s per step | peak GB of a GPU | bitwise identical in two runs |")
print("| --- | ---: | ---: | ---: | --- |")
for case in results["cases"]:
    speed = f"{case['tokensPerSecond']:.0f} | {case['secondsPerStep']:.2f} | {case['peakGigabytes']:.1f}"
    print(f"| {case['name']} | {speed} | {'yes' if case['sameBits'] else 'no'} |")
print("\n| part | result |\n| --- | --- |")
for part, result in results["parts"].items():
    print(f"| {part} | {result} |")
