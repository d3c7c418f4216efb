/** Reads entry points and variables of the images from the Dockerfile, without Docker. */
import { readFileSync } from 'node:fs';

const dockerfile = readFileSync(new URL('../../cdk/images/Dockerfile', import.meta.url), 'utf8');

interface Image {
  entryPoint: string[];
  environment: Record<string, string>;
  user: string;
  lines: string[];
}

/** Reads the stage of a target. */
export function readImage(target: string): Image {
  const stages = dockerfile.split(/^FROM /m).slice(1);
  const lines = stages.find((stage) => stage.split('\n')[0].endsWith(` AS ${target}`))!.split('\n');
  const rest = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  return {
    entryPoint: JSON.parse(rest('ENTRYPOINT')[0] ?? '[]') as string[],
    environment: Object.fromEntries(rest('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=')))),
    user: rest('USER')[0],
    lines,
  };
}

export const bases = [...dockerfile.matchAll(/^ARG \w+_IMAGE=(.*)$/gm)].map(([, image]) => image);
