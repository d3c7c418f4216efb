/** Every parser. */
import type { Parsers } from '../parser.ts';
import { configParsers } from './config.ts';
import { dataParsers } from './data.ts';
import { endpointParsers } from './endpoint.ts';
import { labelerParsers } from './labelers.ts';
import { modelParsers } from './models.ts';
import { serverParsers } from './servers.ts';
import { storeParsers } from './store.ts';

/** @param folder for their files */
export async function openParsers(folder: string): Promise<Parsers> {
  return {
    ...dataParsers(folder),
    ...configParsers(folder),
    ...modelParsers(folder),
    ...(await storeParsers(folder)),
    ...labelerParsers(folder),
    ...(await serverParsers(folder)),
    ...(await endpointParsers(folder)),
  };
}
